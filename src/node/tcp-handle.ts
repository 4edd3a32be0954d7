// Node's TCP handle (tcp_wrap) and its connect request, as far as this package uses them.
import type { Family } from '../wire/families.js';

/** Results are 0 or a negative errno. */
export interface TcpHandle {
  /** -1 without a descriptor. */
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
}

/** Node's TCPConnectWrap. A request that Node has given up has no `oncomplete`. */
export interface ConnectRequest {
  oncomplete?:
    ((status: number, handle: unknown, request: unknown, readable: boolean, writable: boolean) => void) | undefined;
}

/** Has it a descriptor? */
export function isOpen(handle: TcpHandle): boolean {
  return handle.fd >= 0;
}

/** Its descriptor; -1 without one. It is Node's. */
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

/** Where a handle connects to, and the request that is completed when that has ended. */
export interface ConnectTarget {
  readonly request: ConnectRequest;
  readonly family: Family;
  readonly address: string;
  readonly port: number;
}

/** Completes a request that Node waits for, as if connect(2) had failed. */
export function failRequest(request: ConnectRequest, errno: number, handle: TcpHandle): void {
  request.oncomplete?.call(request, errno, handle, request, false, false);
}

/** Node is not to hear how connect(2) goes on: the attempt is answered otherwise. */
export function abandonRequest(request: ConnectRequest): void {
  request.oncomplete = undefined;
}

/** Lets `listener` know how connect(2) has ended, before Node does. */
export function watchRequest(request: ConnectRequest, listener: (status: number) => void): void {
  const { oncomplete } = request;
  request.oncomplete = (status, ...rest) => {
    listener(status);
    oncomplete?.call(request, status, ...rest);
  };
}
