// sk_lookup: a BPF program that hands datagrams for a range of ports to a socket that is bound elsewhere. It is compiled by clang, and
// loaded by a small C program, since Node cannot load it; libbpf is not needed.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingNeeds } from './kernel.js';

const PROGRAM = `
#include <linux/bpf.h>
extern char sockets; // the map: the loader puts its descriptor where this is used
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*sk_release)(void *socket) = (void *)86;
static long (*sk_assign)(struct bpf_sk_lookup *context, void *socket, __u64 flags) = (void *)124;
__attribute__((section("sk_lookup"))) int steer(struct bpf_sk_lookup *context) {
  if (context->protocol != 17 || context->local_port < LOW || context->local_port > HIGH) return 1;
  __u32 key = context->family == 2 ? 0 : 1;
  void *socket = map_lookup(&sockets, &key);
  if (!socket) return 1;
  sk_assign(context, socket, 0);
  sk_release(socket);
  return 1;
}
`;

/** loader PROGRAM SOCKETS OFFSET…: descriptors 3 and 4 are the sockets for IPv4 and IPv6; lasts as long as its stdin. */
const LOADER = `
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int bpf(int command, union bpf_attr *attr) { return (int)syscall(SYS_bpf, command, attr, sizeof *attr); }
static char log_buffer[65536];
int main(int argc, char **argv) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.map_type = BPF_MAP_TYPE_SOCKMAP;
  attr.key_size = 4;
  attr.value_size = 8;
  attr.max_entries = 2;
  int map = bpf(BPF_MAP_CREATE, &attr);
  if (map < 0) { perror("map"); return 1; }
  for (unsigned key = 0; key < 2; key++) {
    unsigned long long value = 3 + (atoi(argv[2]) == 1 ? 0 : key);
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (unsigned)map;
    attr.key = (unsigned long)&key;
    attr.value = (unsigned long)&value;
    if (bpf(BPF_MAP_UPDATE_ELEM, &attr) < 0) { perror("update"); return 1; }
  }
  static struct bpf_insn program[512];
  FILE *file = fopen(argv[1], "rb");
  size_t length = fread(program, sizeof *program, 512, file);
  for (int i = 3; i < argc; i++) {
    struct bpf_insn *at = program + atoi(argv[i]) / sizeof *program;
    at->src_reg = BPF_PSEUDO_MAP_FD;
    at->imm = map;
  }
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
  attr.expected_attach_type = BPF_SK_LOOKUP;
  attr.insns = (unsigned long)program;
  attr.insn_cnt = (unsigned)length;
  attr.license = (unsigned long)"GPL";
  attr.log_buf = (unsigned long)log_buffer;
  attr.log_size = sizeof log_buffer;
  attr.log_level = 1;
  int loaded = bpf(BPF_PROG_LOAD, &attr);
  if (loaded < 0) { perror("load"); fputs(log_buffer, stderr); return 1; }
  memset(&attr, 0, sizeof attr);
  attr.link_create.prog_fd = (unsigned)loaded;
  attr.link_create.target_fd = (unsigned)open("/proc/self/ns/net", O_RDONLY);
  attr.link_create.attach_type = BPF_SK_LOOKUP;
  if (bpf(BPF_LINK_CREATE, &attr) < 0) { perror("link"); return 1; }
  puts("attached");
  fflush(stdout);
  for (int i = 3; i < 5; i++) close(i);
  return read(0, log_buffer, 1) < 0;
}
`;

/** What is missing to load such a program, or undefined. It takes CAP_BPF in the initial user namespace. */
export function missingForSteering(): string | undefined {
  if (!/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))) return 'needs real root, for BPF';
  return missingNeeds({ capabilities: ['CAP_BPF', 'CAP_NET_ADMIN'], tools: ['clang', 'gcc'] });
}

/** Steers datagrams for UDP ports `low` to `high` of this namespace to the socket, or to the one of its family, until disposed. */
export async function steer(fds: readonly number[], low: number, high: number): Promise<AsyncDisposable> {
  const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-sk-lookup-'));
  const at = (name: string): string => join(directory, name);
  try {
    writeFileSync(at('program.c'), PROGRAM);
    writeFileSync(at('loader.c'), LOADER);
    const macros = [`-DLOW=${low}`, `-DHIGH=${high}`];
    execFileSync('clang', [
      '-O2',
      '-target',
      'bpf',
      ...includes(),
      ...macros,
      '-c',
      at('program.c'),
      '-o',
      at('program.o'),
    ]);
    execFileSync('gcc', ['-o', at('loader'), at('loader.c')]);
    const { code, offsets } = section(readFileSync(at('program.o')), 'sk_lookup');
    writeFileSync(at('program'), code);
    const args = [at('program'), String(fds.length), ...offsets.map(String)];
    const loader = spawn(at('loader'), args, { stdio: ['pipe', 'pipe', 'inherit', ...fds] });
    const exited = once(loader, 'exit');
    const failed = exited.then(([exit]) => {
      throw new Error(`the sk_lookup loader ended: exit code ${String(exit)}`);
    });
    failed.catch(() => undefined);
    await Promise.race([once(loader.stdout!, 'data'), failed]);
    return {
      [Symbol.asyncDispose]: async () => {
        loader.stdin!.end();
        await exited;
      },
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Where Debian has asm/types.h, which clang does not look for when it compiles for BPF. */
function includes(): string[] {
  return ['-I', `/usr/include/${execFileSync('gcc', ['-dumpmachine'], { encoding: 'utf8' }).trim()}`];
}

/** A section of an ELF file, and where it has relocations. */
function section(elf: Buffer, name: string): { code: Buffer; offsets: number[] } {
  const start = Number(elf.readBigUInt64LE(0x28));
  const headers = Array.from({ length: elf.readUInt16LE(0x3c) }, (_, i) => {
    const header = elf.subarray(start + 64 * i);
    const offset = Number(header.readBigUInt64LE(24));
    return {
      name: header.readUInt32LE(0),
      type: header.readUInt32LE(4),
      info: header.readUInt32LE(44),
      bytes: elf.subarray(offset, offset + Number(header.readBigUInt64LE(32))),
    };
  });
  const names = headers[elf.readUInt16LE(0x3e)]!.bytes;
  const index = headers.findIndex((header) => names.toString('latin1', header.name).split('\0', 1)[0] === name);
  const offsets = headers
    .filter(({ type, info }) => type === SHT_REL && info === index)
    .flatMap(({ bytes }) => Array.from({ length: bytes.length / 16 }, (_, i) => Number(bytes.readBigUInt64LE(16 * i))));
  return { code: headers[index]!.bytes, offsets };
}

const SHT_REL = 9;
