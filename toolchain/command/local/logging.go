package local

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Logging says which stream is shown while the command runs. Both are always kept as outputs.
type Logging string

const (
	logStdout Logging = "stdout"
	logStderr Logging = "stderr"
	logBoth   Logging = "stdoutAndStderr"
	logNone   Logging = "none"
)

// Values are the allowed ones, for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "stdout", Value: logStdout, Description: "stdout only"},
		{Name: "stderr", Value: logStderr, Description: "stderr only"},
		{Name: "stdoutAndStderr", Value: logBoth, Description: "both, which is also what nothing means"},
		{Name: "none", Value: logNone, Description: "neither"},
	}
}

func (in Inputs) shows(stream Logging) bool {
	return in.Logging == nil || *in.Logging == stream || *in.Logging == logBoth
}

// streamLines sends every line to the engine's status column as it comes, and returns when the reader ends.
func streamLines(ctx context.Context, from io.Reader) {
	log := p.GetLogger(ctx)
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" || err == nil {
			// Neither gRPC nor a terminal takes bytes that are not text.
			log.InfoStatus(strings.ToValidUTF8(line, "\uFFFD"))
		}
		if errors.Is(err, io.EOF) {
			return
		}
	}
}
