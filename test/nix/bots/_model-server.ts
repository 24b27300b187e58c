/**
 * Node lines of a server that has the shape of a model's API and one answer, and of Telegram's API, where one stranger has
 * written to the bot. Argument: its address.
 */
export const modelServer = `
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
const [key, cert] = ["key", "cert"].map((name) => readFileSync("/etc/provider/" + name + ".pem"));
const content = "the answer is forty-two";
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
const ada = { id: 4242, first_name: "Ada", username: "ada" };
const message = { message_id: 1, date: Math.floor(Date.now() / 1000), from: { ...ada, is_bot: false }, chat: { ...ada, type: "private" }, text: "hello" };
let isTold = false;
const server = createServer({ key, cert }, async (request, response) => {
  console.log(request.method, request.url, request.headers.authorization);
  let body = "";
  for await (const part of request) body += part;
  const method = /^\\/bot[^/]+\\/(\\w+)/.exec(request.url)?.[1];
  if (method !== undefined) {
    const answer = (result) => response.setHeader("content-type", "application/json").end(JSON.stringify({ ok: true, result }));
    if (method === "getMe") return answer({ id: 123456789, is_bot: true, first_name: "Maren", username: "maren_bot" });
    if (method === "sendMessage") return answer({ message_id: 2, date: 1, chat: { id: 4242, type: "private" }, text: "x" });
    if (method !== "getUpdates") return answer(true);
    const updates = isTold ? [] : [{ update_id: 1, message }];
    isTold = true;
    return setTimeout(() => answer(updates), updates.length > 0 ? 0 : 5000);
  }
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
