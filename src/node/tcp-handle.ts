// Node's TCP handle (tcp_wrap) and its connect request, as far as this package uses them.
import type { Family } from '../wire/families.js';

/** Results are 0 or a negative errno. */
export interface TcpHandle {
  /** The descriptor; -1 if there is none. */
  readonly fd: number;
  open(fd: number): number;
  bind(address: string, port: number | undefined): number;
  bind6(address: string, port: number | undefined, flags?: number): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  connect6(request: ConnectRequest, address: string, port: number): number;
  close(callback?: () => void): void;
  reset(callback?: () => void): number;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
  setNoDelay(on: boolean): number;
  /** @param delay seconds until the first probe */
  setKeepAlive(on: boolean, delay: number): number;
}

/** Node's TCPConnectWrap. A request that Node has abandoned has no `oncomplete`. */
export interface ConnectRequest {
  oncomplete?:
    ((status: number, handle: unknown, request: unknown, readable: boolean, writable: boolean) => void) | undefined;
}

/** Whether the handle has a descriptor. */
export function isOpen(handle: TcpHandle): boolean {
  return handle.fd >= 0;
}

/** The descriptor, which Node owns; -1 if there is none. */
export function descriptorIn(handle: TcpHandle): number {
  return handle.fd;
}

/** Node's own bind of the handle. @param base has Node's methods */
export function bindByNode(handle: TcpHandle, base: TcpHandle, family: Family, address: string, port: number): number {
  return family === 'ipv6' ? base.bind6.call(handle, address, port) : base.bind.call(handle, address, port);
}

/** Node's own connect of the handle. @param base has Node's methods */
export function connectByNode(handle: TcpHandle, base: TcpHandle, target: ConnectTarget): number {
  const { request, family, address, port } = target;
  return family === 'ipv6'
    ? base.connect6.call(handle, request, address, port)
    : base.connect.call(handle, request, address, port);
}

/** The destination of a connect, and the request to complete when it is done. */
export interface ConnectTarget {
  readonly request: ConnectRequest;
  readonly family: Family;
  readonly address: string;
  readonly port: number;
}

/** Completes a pending request as if connect(2) had failed. */
export function failRequest(request: ConnectRequest, errno: number, handle: TcpHandle): void {
  request.oncomplete?.call(request, errno, handle, request, false, false);
}

/** Detaches a request, so that Node is not notified of the result of connect(2): it is reported in another way. */
export function abandonRequest(request: ConnectRequest): void {
  request.oncomplete = undefined;
}

/** Calls `listener` with the result of connect(2) before Node handles it. */
export function watchRequest(request: ConnectRequest, listener: (status: number) => void): void {
  const { oncomplete } = request;
  request.oncomplete = (status, ...rest) => {
    listener(status);
    oncomplete?.call(request, status, ...rest);
  };
}

/**
 * Calls `instead` in place of the next result, once.
 * @param instead returns false to let Node have the result
 */
export function hideResult(request: ConnectRequest, instead: () => boolean): void {
  const { oncomplete } = request;
  let isHidden = true;
  request.oncomplete = (...result) => {
    const hides = isHidden;
    isHidden = false;
    if (!hides || !instead()) oncomplete?.apply(request, result);
  };
}

/** Another request whose result is that of this one, since a request is for one connect(2). */
export function anotherRequest(request: ConnectRequest): ConnectRequest {
  const another = new (request.constructor as new () => ConnectRequest)();
  another.oncomplete = (status, handle, _, ...rest) => request.oncomplete?.(status, handle, request, ...rest);
  return another;
}
