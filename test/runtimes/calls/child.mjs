// The child process of `reservation.sendTo`: waits until it is killed.
import process from 'node:process';

process.on('message', () => undefined);
