/** Node lines of a server that has the shape of a model's API and one answer. Argument: its address. */
export const modelServer = `
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
const [key, cert] = ["key", "cert"].map((name) => readFileSync("/etc/provider/" + name + ".pem"));
const content = "the answer is forty-two";
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
const server = createServer({ key, cert }, async (request, response) => {
  console.log(request.method, request.url, request.headers.authorization);
  let body = "";
  for await (const part of request) body += part;
  const common = { id: "1", created: 1, model: "m" };
  if (!JSON.parse(body).stream) {
    const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }];
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...common, object: "chat.completion", choices, usage }));
    return;
  }
  response.setHeader("content-type", "text/event-stream");
  const send = (choice, more = {}) => response.write("data: " + JSON.stringify({ ...common, object: "chat.completion.chunk", choices: [{ index: 0, ...choice }], ...more }) + "\\n\\n");
  send({ delta: { role: "assistant", content }, finish_reason: null });
  send({ delta: {}, finish_reason: "stop" }, { usage });
  response.end("data: [DONE]\\n\\n");
});
server.listen(443, process.argv[2]);
`;
