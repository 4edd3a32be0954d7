// What options can be set on: sockets of this package, sockets of Node, and descriptor numbers, which are borrowed.
import type { Socket as DgramSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { integer, invalidType } from '../arguments.js';
import { native } from '../binding.js';
import { SocketError } from '../errors.js';
import { descriptorOf, isNodeSocket } from '../node/descriptor.js';
import { requireNode } from '../node/runtime.js';
import type { SocketType } from './row.js';
import type { OptionName } from './table.js';

/** The option calls on one descriptor. A native Handle has this shape. */
export interface OptionAccess {
  setsockopt(level: number, name: number, value: Uint8Array | number): number;
  getsockopt(level: number, name: number, value: Uint8Array): number;
  attachFilter(level: number, name: number, program: Uint8Array): number;
  getsockname(address: Uint8Array): number;
}

/** Key under which sockets of this package provide access to their options. */
export const optionAccess: unique symbol = Symbol('linux-sockets.optionAccess');

/** Key under which they refuse options, with the reason. */
export const refuseOption: unique symbol = Symbol('linux-sockets.refuseOption');

/** For the compiler only: the type of a socket, so that setOption and getOption offer the options that it supports. */
export const socketType: unique symbol = Symbol('linux-sockets.socketType');

/** For the compiler only: the options that a socket of this package refuses although its type has them. */
export const refusedOptions: unique symbol = Symbol('linux-sockets.refusedOptions');

/** A socket of this package. */
export interface OwnSocket<T extends SocketType = SocketType, Refused extends OptionName = OptionName> {
  /** Declared for the compiler; it does not exist at run time. */
  readonly [socketType]: T;
  /** The same. */
  readonly [refusedOptions]?: Refused;
  /** @internal */
  readonly [optionAccess]: OptionAccess;
  /** By number, so that the numeric form is covered. @internal */
  [refuseOption]?(level: number, name: number): string | undefined;
}

/** net.BoundSocket (Node 24.19, 26.4), whose descriptor is returned by a method. */
export interface BoundSocketLike {
  fd(): number;
}

/**
 * Whatever has a descriptor: this package's sockets, net.Socket, tls.TLSSocket, net.Server, http.Server, dgram.Socket,
 * net.BoundSocket, or a descriptor number.
 */
export type OptionTarget = OwnSocket | Socket | Server | DgramSocket | BoundSocketLike | number;

/** The types of socket that a target may be of: 'stream' for those of node:net, any for a descriptor number. */
export type SocketTypeOf<S> =
  S extends OwnSocket<infer T>
    ? T
    : S extends DgramSocket
      ? 'dgram'
      : S extends Socket | Server | BoundSocketLike
        ? 'stream'
        : SocketType;

/** The options that a target refuses although its type of socket has them. */
export type RefusedBy<S> = S extends { readonly [refusedOptions]: infer N } ? N : never;

/** Why the target refuses this option; undefined if it does not. */
export function refusalOf(target: OptionTarget, level: number, name: number): string | undefined {
  return typeof target === 'object' ? (target as Partial<OwnSocket>)[refuseOption]?.(level, name) : undefined;
}

/**
 * @throws ERR_INVALID_ARG_TYPE; ERR_INVALID_STATE for a socket that has no descriptor yet or is closed; ERR_UNSUPPORTED on
 * Bun and Deno for a socket of theirs, which hides its descriptor
 */
export function accessOf(target: OptionTarget): OptionAccess {
  if (typeof target === 'number') return new BorrowedDescriptor(integer('target', target, 0, 2 ** 31 - 1));
  if (typeof target !== 'object' || target === null) throw invalidType('target', EXPECTED, target);
  const own = (target as Partial<OwnSocket>)[optionAccess];
  if (own !== undefined) return own;
  const fd = descriptorOf(target);
  if (fd === undefined) {
    if (!isNodeSocket(target)) throw invalidType('target', EXPECTED, target);
    requireNode();
    throw new SocketError(
      'ERR_INVALID_STATE',
      'The target has no descriptor. Node makes one when a socket connects, listens or binds; a server in a cluster ' +
        'worker has none, because the primary listens for it; a closed socket no longer has one.',
    );
  }
  return new BorrowedDescriptor(fd);
}

/**
 * The calls on a descriptor by its number. They are cheaper than those of a Handle, whose unwrapping takes as long as
 * decoding all arguments. The owner of the descriptor must not use this after the descriptor is closed or detached.
 */
export class BorrowedDescriptor implements OptionAccess {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  setsockopt(level: number, name: number, value: Uint8Array | number): number {
    return native().setsockopt(this.#fd, level, name, value);
  }

  getsockopt(level: number, name: number, value: Uint8Array): number {
    return native().getsockopt(this.#fd, level, name, value);
  }

  attachFilter(level: number, name: number, program: Uint8Array): number {
    return native().attachFilter(this.#fd, level, name, program);
  }

  getsockname(address: Uint8Array): number {
    return native().getsockname(this.#fd, address);
  }
}

const EXPECTED =
  'a socket of this package, net.Socket, net.Server, tls.TLSSocket, dgram.Socket, net.BoundSocket or a descriptor number';
