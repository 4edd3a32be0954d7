// Memory that JavaScript can take away from a view: resizable and detached buffers.

/** A resizable ArrayBuffer (ES2024, which the library's types do not have) that may grow to twice its size. */
export function resizableBuffer(size: number): ArrayBuffer & { resize(size: number): void } {
  const Resizable = ArrayBuffer as unknown as new (
    size: number,
    options: object,
  ) => ArrayBuffer & { resize(size: number): void };
  return new Resizable(size, { maxByteLength: 2 * size });
}

/** A view whose buffer was transferred, so that its length is 0. */
export function detachedView(length: number): Uint8Array {
  const view = new Uint8Array(length);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}
