// Why setsockopt(2) failed, from the table of reasons: for a socket that is being made and for one that exists.
import { SyscallError, type FailureReason } from '../errors.js';
import { readSysctl } from '../kernel/sysctl.js';
import { findReason } from '../reasons/table.js';

/** Of one option. @param privilege the capability that its row names */
export function explainSetsockopt(
  option: string,
  errno: number,
  privilege: string | undefined,
): { readonly reason?: FailureReason | undefined; readonly remedy?: string } {
  const row = findReason('setsockopt', errno, option, (name) => name === 'privileged' && privilege !== undefined);
  if (row === undefined) return {};
  const places = { privilege: () => privilege ?? '', fastOpen, fastOpenOn: () => fastOpen() | 1 };
  const remedy = row.remedy?.replace(/\{(\w+)\}/g, (_, name: keyof typeof places) => String(places[name]()));
  return { reason: row.reason, ...(remedy !== undefined && { remedy }) };
}

/** The error of one option. */
export function setsockoptError(option: string, errno: number, privilege: string | undefined): SyscallError {
  return new SyscallError('setsockopt', errno, { option, ...explainSetsockopt(option, errno, privilege) });
}

function fastOpen(): number {
  return Number(readSysctl('net.ipv4.tcp_fastopen') ?? 0);
}
