// Socket.IO with one room: what a member sends goes to all of them.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false });
io.on('connection', (socket) => {
  socket.join('bench');
  socket.on('send', (text) => io.to('bench').emit('message', text));
});
http.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${http.address().port}`));
// Ends with whoever started it.
process.stdin.resume().on('end', () => process.exit(0));
