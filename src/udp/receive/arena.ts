// Arenas: the memory that recvmmsg(2) fills, in equal slots. A batch is valid only during its callback, so that all sockets
// of a thread share the same arenas, and idle sockets need none.

/** The dimensions of an arena. */
export interface ArenaShape {
  /** Datagrams per system call, 1 to 256. */
  readonly slots: number;
  /** Bytes of data per slot. */
  readonly dataSize: number;
  /** Bytes of control messages per slot, a multiple of 8. */
  readonly controlSize: number;
}

/** Words (uint32) per slot in `results`: data length, name length, control length, flags. */
export const RESULT_WORDS = 4;

/** Bytes per slot in `names`: a sockaddr_in6, padded. */
export const NAME_SIZE = 32;

export class Arena {
  readonly shape: ArenaShape;
  /** Bytes from the data of one slot to that of the next. */
  readonly stride: number;
  readonly data: Buffer;
  readonly names: Uint8Array;
  readonly nameWords: Uint32Array;
  readonly control: Uint8Array;
  readonly controlWords: Uint32Array;
  readonly controlView: DataView;
  readonly results: Uint8Array;
  readonly resultWords: Uint32Array;
  /** The last view returned for each slot, for reuse: consecutive datagrams mostly have the same length. */
  readonly views: (Uint8Array | undefined)[];

  constructor(shape: ArenaShape) {
    const { slots, dataSize, controlSize } = shape;
    this.shape = shape;
    this.stride = dataSize;
    // Neither zeroed nor touched: only pages that are written to take physical memory.
    this.data = Buffer.allocUnsafeSlow(slots * this.stride);
    this.names = new Uint8Array(slots * NAME_SIZE);
    this.nameWords = new Uint32Array(this.names.buffer);
    this.control = new Uint8Array(slots * controlSize);
    this.controlWords = new Uint32Array(this.control.buffer);
    this.controlView = new DataView(this.control.buffer);
    this.results = new Uint8Array(4 * RESULT_WORDS * slots);
    this.resultWords = new Uint32Array(this.results.buffer);
    this.views = Array.from({ length: slots }, () => undefined);
  }

  /** Moves the data of a slot from offset `skip` on, and the slots after it, to the front of the arena: `length` slots remain. */
  moveToFront(slot: number, skip: number, length: number): void {
    const { stride } = this;
    const { controlSize } = this.shape;
    const size = this.resultWords[RESULT_WORDS * slot] ?? 0;
    this.data.copyWithin(stride * slot, stride * slot + skip, stride * slot + size);
    this.resultWords[RESULT_WORDS * slot] = size - skip;
    if (slot === 0) return;
    const end = slot + length;
    this.data.copyWithin(0, stride * slot, stride * end);
    this.names.copyWithin(0, NAME_SIZE * slot, NAME_SIZE * end);
    this.control.copyWithin(0, controlSize * slot, controlSize * end);
    this.resultWords.copyWithin(0, RESULT_WORDS * slot, RESULT_WORDS * end);
  }

  /** Overwrites the data of the first slots, to expose code that still reads it. */
  poison(slots: number): void {
    for (let slot = 0; slot < slots; slot++) {
      const start = this.stride * slot;
      this.data.fill(POISON, start, start + (this.resultWords[RESULT_WORDS * slot] ?? 0));
    }
  }

  /** False if the memory was transferred to another thread, by way of data(i).buffer. */
  get intact(): boolean {
    return this.data.length > 0;
  }
}

/** The free arenas of one shape, shared by all sockets that use it. */
export class ArenaPool {
  /** The pool of a shape in this thread. It is collected with its last user. */
  static of(shape: ArenaShape): ArenaPool {
    const key = `${shape.slots}/${shape.dataSize}/${shape.controlSize}`;
    let pool = pools.get(key)?.deref();
    if (pool === undefined) pools.set(key, new WeakRef((pool = new ArenaPool(shape))));
    return pool;
  }

  readonly shape: ArenaShape;
  readonly #free: Arena[] = [];

  private constructor(shape: ArenaShape) {
    this.shape = shape;
  }

  /** Takes an arena, to be given back when its contents have been read. */
  take(): Arena {
    for (let arena = this.#free.pop(); arena !== undefined; arena = this.#free.pop()) if (arena.intact) return arena;
    return new Arena(this.shape);
  }

  /** Whether an arena has this shape. */
  fits({ shape }: Arena): boolean {
    const { slots, dataSize, controlSize } = this.shape;
    return shape.slots === slots && shape.dataSize === dataSize && shape.controlSize === controlSize;
  }

  give(arena: Arena): void {
    if (this.#free.length < MAX_FREE) this.#free.push(arena);
  }
}

const POISON = 0xdb;
/** More than one is in use only while a consumer of messages has paused in the middle of a batch. */
const MAX_FREE = 2;
const pools = new Map<string, WeakRef<ArenaPool>>();
