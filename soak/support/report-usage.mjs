// Loaded into the program under test (with --expose-gc and an IPC channel): collects garbage on request, and reports the memory that remains.
process.channel?.unref();
process.on('message', (message) => {
  if (message !== 'collect') return;
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  process.send?.({ heap: process.memoryUsage().heapUsed, external: process.memoryUsage().external });
});
process.channel?.unref();
