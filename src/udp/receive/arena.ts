// Arenas: the memory that recvmmsg(2) fills, in equal slots. A batch is valid only during its callback, so that all sockets
// of a thread can take turns with the same arenas, and a thousand idle sockets need none.

/** What an arena has room for. */
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
  /** Bytes from one slot's data to the next. */
  readonly stride: number;
  readonly data: Buffer;
  readonly names: Uint8Array;
  readonly nameWords: Uint32Array;
  readonly control: Uint8Array;
  readonly controlWords: Uint32Array;
  readonly controlView: DataView;
  readonly results: Uint8Array;
  readonly resultWords: Uint32Array;
  /** The last view that was given out of each slot: datagrams are mostly of the same length as those before. */
  readonly views: (Uint8Array | undefined)[];

  constructor(shape: ArenaShape) {
    const { slots, dataSize, controlSize } = shape;
    this.shape = shape;
    this.stride = dataSize;
    // Not zeroed, and not touched: the kernel gives memory to pages that are written.
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

  /** Moves what begins at `skip` bytes into a slot to the front, and the slots behind it with it: `length` are left. */
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

  /** Writes over the data of the first slots, so that whoever still looks at it sees that it is gone. */
  poison(slots: number): void {
    for (let slot = 0; slot < slots; slot++) {
      const start = this.stride * slot;
      this.data.fill(POISON, start, start + (this.resultWords[RESULT_WORDS * slot] ?? 0));
    }
  }

  /** False when somebody has transferred the memory to another thread: data(i).buffer is theirs then. */
  get intact(): boolean {
    return this.data.length > 0;
  }
}

/** The free arenas of one shape, shared by all who receive into such. */
export class ArenaPool {
  /** The pool of a shape in this thread. It goes when the last who holds it does. */
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

  /** An arena, for as long as what is in it is being read. */
  take(): Arena {
    for (let arena = this.#free.pop(); arena !== undefined; arena = this.#free.pop()) if (arena.intact) return arena;
    return new Arena(this.shape);
  }

  /** Does an arena have this shape? */
  fits({ shape }: Arena): boolean {
    const { slots, dataSize, controlSize } = this.shape;
    return shape.slots === slots && shape.dataSize === dataSize && shape.controlSize === controlSize;
  }

  give(arena: Arena): void {
    if (this.#free.length < MOST_FREE) this.#free.push(arena);
  }
}

const POISON = 0xdb;
/** More than one is in use only while a consumer of messages has stopped in the middle of a batch. */
const MOST_FREE = 2;
const pools = new Map<string, WeakRef<ArenaPool>>();
