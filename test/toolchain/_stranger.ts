/**
 * Another user of the machine, who does to the ports of an engine at work what anybody can: `node _stranger.mjs FILE PORT…` asks
 * each to run a command that would make FILE, and prints as JSON which of them said anything at all.
 */
import { connect } from "node:http2";
import { createConnection } from "node:net";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import resource from "@pulumi/pulumi/proto/resource_pb.js";
import structs from "google-protobuf/google/protobuf/struct_pb.js";

const seconds = 60;

/** Whether a server answers the first bytes of HTTP/2, or closes without a word. */
function answers(port: number): Promise<boolean> {
  return new Promise((done, fail) => {
    const socket = createConnection(port, "127.0.0.1", () =>
      socket.write(
        Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from("000000040000000000", "hex")]),
      ),
    );
    socket.setTimeout(seconds * 1000, () => fail(new Error(`port ${port} neither answered nor closed`)));
    const end = (answered: boolean) => {
      done(answered);
      socket.destroy();
    };
    socket.once("data", () => end(true));
    socket.once("close", () => end(false));
    socket.once("error", () => end(false));
  });
}

/** One gRPC call. Its answer does not matter: what it did does. */
function call(port: number, method: string, message: Uint8Array): Promise<void> {
  return new Promise((done) => {
    const session = connect(`http://127.0.0.1:${port}`);
    const end = () => {
      session.destroy();
      done();
    };
    session.once("error", end);
    session.setTimeout(seconds * 1000, end);
    const request = session.request({
      ":method": "POST",
      ":path": `/pulumirpc.${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    request.once("error", end);
    request.once("close", end);
    request.resume();
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    request.end(Buffer.concat([frame, message]));
  });
}

const [file = "", ...ports] = process.argv.slice(2);
const properties = structs.Struct.fromJavaScript({ create: `touch ${file}` });
const type = "command:local:Command";

const create = new provider.CreateRequest();
create.setUrn(`urn:pulumi:s::lab::${type}::stranger`);
create.setType(type);
create.setName("stranger");
create.setProperties(properties);

const register = new resource.RegisterResourceRequest();
register.setType(type);
register.setName("stranger");
register.setCustom(true);
register.setObject(properties);
register.setVersion("1.2.1");

const answering = [];
for (const port of ports.map(Number)) {
  if (await answers(port)) answering.push(port);
  await call(port, "ResourceProvider/Create", create.serializeBinary());
  await call(port, "ResourceMonitor/RegisterResource", register.serializeBinary());
}
process.stdout.write(JSON.stringify(answering));
