// The receiver of a native method must be an object of its class. V8 checks it by the method's signature.
import { expect, test } from 'vitest';
import { native } from '../../../src/binding.js';
import { expectNoNewFds } from '../../support/fds.js';
import { emptyHandle } from '../../support/handles.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;

const { Handle, Poll } = native();
const handle = emptyHandle();
const poll = new Poll(() => undefined);

const classes = [
  ['Handle', Handle, handle, poll],
  ['Poll', Poll, poll, handle],
] as const;

const methods = classes.flatMap(([className, owner, own, other]) =>
  Object.getOwnPropertyNames(owner.prototype)
    .filter((name) => name !== 'constructor')
    .map((name) => ({ className, name, owner, own, other })),
);

test('the native classes have methods to test', () => {
  expect(methods.map(({ className, name }) => `${className}.${name}`)).toEqual(
    expect.arrayContaining(['Handle.close', 'Handle.fd', 'Handle.recvmsg', 'Poll.open', 'Poll.close']),
  );
  expect(methods).toHaveLength(23 + 5);
});

test.each(methods)(
  'the method $name throws for a receiver that is not a $className',
  async ({ name, owner, own, other }) => {
    const method = (owner.prototype as unknown as Record<string, Method>)[name]!;
    const strangers: unknown[] = [
      ...[undefined, null, {}, [], 1, 'x', Symbol('x'), 1n, () => 1, new Uint8Array(4), { fd: 0 }, globalThis],
      ...[other, owner, { ...own }, new Proxy(own, {}), native()],
      ...([owner.prototype, Object.create(own), Object.setPrototypeOf({}, own)] as unknown[]),
      Object.create(owner.prototype as object) as unknown,
    ];
    await expectNoNewFds(() => {
      for (const stranger of strangers) {
        expect(() => method.call(stranger, 1, 2, 3), `called on ${typeof stranger}`).toThrow(TypeError);
      }
    });
  },
);

test.each(classes)('native class %s requires new', (_, owner, own) => {
  const plain = owner as unknown as Method;
  expect(() => plain(() => undefined)).toThrow(TypeError);
  expect(() => plain.call(own, () => undefined)).toThrow(TypeError);
  expect(() => plain.call({}, () => undefined)).toThrow(TypeError);
});

test('a native object keeps the class it was constructed with when the class names are swapped', () => {
  const disguised = Reflect.construct(Handle, [], Poll) as unknown as InstanceType<typeof Poll>;
  expect(disguised).toBeInstanceOf(Poll);
  expect(() => disguised.start(1)).toThrow(TypeError);
  expect(() => disguised.close()).toThrow(TypeError);
  const other = Reflect.construct(Poll, [() => undefined], Handle) as unknown as InstanceType<typeof Handle>;
  expect(other).toBeInstanceOf(Handle);
  expect(() => other.fd()).toThrow(TypeError);
  expect(() => poll.open(other)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  expect(() => handle.accept(other, new Uint8Array(28))).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
  );
});

test('a subclass of Handle works as a Handle', () => {
  class Own extends Handle {}
  const own = new Own();
  expect(own.socket(2, 2, 0)).toBe(0);
  expect(own.fd()).toBeGreaterThan(2);
  expect(own.close()).toBe(0);
});

test('native methods use the descriptor inside the object, not properties that JavaScript can replace', () => {
  const own = new Handle();
  Object.defineProperty(own, 'fd', { value: () => 0 });
  expect(own.close()).toBe(0); // not descriptor 0
  expect(own.socket(2, 2, 0)).toBe(0);
  expect((Handle.prototype as InstanceType<typeof Handle>).fd.call(own)).toBeGreaterThan(2);
  expect(own.close()).toBe(0);
});
