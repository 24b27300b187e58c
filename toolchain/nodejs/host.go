package main

import (
	"context"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// engineCheck is how often we check that the engine still runs. Pulumi 3.260.0 ends without ending the language host of a
// component package; the official host, which checks every five minutes, stays that long.
const engineCheck = time.Second

// host answers the engine. What is not overridden answers "unimplemented" on its own.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	engine string
	ctx    context.Context
	stop   context.CancelFunc
}

func newHost(ctx context.Context, stop context.CancelFunc, engine string) *host {
	return &host{engine: engine, ctx: ctx, stop: stop}
}

func (h *host) Handshake(
	_ context.Context, req *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = req.EngineAddress
	if err := rpcutil.Healthcheck(h.ctx, h.engine, engineCheck, h.stop); err != nil {
		return nil, err
	}
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// Cancel ends the program; the server goes with it, since a cancelled engine asks for nothing more.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}
