// Sends back what it receives, and ends when its client does.
import { createServer } from 'node:net';

createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  client.on('error', () => client.destroy());
  client.pipe(client);
}).listen({ port: 7000, host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write('listening\n');
});
