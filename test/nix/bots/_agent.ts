/** In a bot's unit: answers on a socket in the bot's folder, and runs what it is sent as Python, in a process of its own. */
export const answer = `
import socket, subprocess, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
while True:
    client, _ = server.accept()
    lines = b""
    while (part := client.recv(65536)): lines += part
    done = subprocess.run(["/usr/bin/python3", "-c", lines], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    client.sendall(done.stdout)
    client.close()
`;

/** As root: socket and lines as arguments, prints the answer. Waits until the agent listens. */
export const ask = `
import socket, sys, time
client = socket.socket(socket.AF_UNIX)
for _ in range(600):
    try:
        client.connect(sys.argv[1])
        break
    except (FileNotFoundError, ConnectionRefusedError):
        time.sleep(0.05)
client.sendall(sys.argv[2].encode())
client.shutdown(socket.SHUT_WR)
while (part := client.recv(65536)): sys.stdout.buffer.write(part)
`;
