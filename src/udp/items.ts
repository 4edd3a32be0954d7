// The type of the iterators of a UdpSocket.

/** `AsyncIterableIterator<T, undefined>`: its second type argument needs TypeScript 5.6. */
export interface AsyncItems<T> {
  next(): Promise<IteratorResult<T, undefined>>;
  return(): Promise<IteratorResult<T, undefined>>;
  [Symbol.asyncIterator](): AsyncItems<T>;
}
