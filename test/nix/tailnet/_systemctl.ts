/** `node _systemctl.ts SOCKET WORDS...`: asks the test for what systemctl does, and exits as it says. */
import { connect } from "node:net";

const [path = "", ...words] = process.argv.slice(2);
const socket = connect(path);
socket.setEncoding("utf8");
let answer = "";
socket.on("data", (text: string) => {
  answer += text;
});
socket.on("end", () => process.exit(Number(answer || "1")));
socket.end(words.join(" "));
