// eBPF programs, which Node cannot load: a small C program loads one and becomes node, which inherits it as a descriptor.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Family } from '../../src/index.js';
import type { SocketType } from '../../src/options/row.js';
import { nodeEnvironment } from './child.js';

/** BPF_PROG_TYPE_SOCKET_FILTER with two instructions, r0 = argv[1]; exit: 0 drops what it sees, -1 takes all of it. */
const LOADER = `
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct bpf_insn program[2];
  memset(program, 0, sizeof program);
  program[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  program[0].imm = atoi(argv[1]);
  program[1].code = BPF_JMP | BPF_EXIT;
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attr.insns = (unsigned long)program;
  attr.insn_cnt = 2;
  attr.license = (unsigned long)"GPL";
  int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  if (fd < 0 || dup2(fd, 100) < 0) { perror("bpf"); return 1; }
  execv(argv[2], argv + 2);
  return argc;
}
`;

/** Attaches the program to a socket by name, and returns whether it takes effect. */
export async function bpfAttached(option: string, family: Family, type: SocketType): Promise<unknown> {
  const directory = mkdtempSync(join(tmpdir(), 'linux-sockets-bpf-'));
  const loader = join(directory, 'load');
  const script = `
    import { NativeSocket, setOption } from 'linux-sockets';
    const protocol = ${type === 'raw' ? 17 : 0};
    const make = (type) => NativeSocket.create({ family: '${family}', type, protocol });
    const socket = make('${type}');
    if ('${option}' === 'SO_ATTACH_REUSEPORT_EBPF') setOption(socket, 'SO_REUSEPORT', true);
    setOption(socket, '${option}', 100);
    let attached = true;
    if ('${option}' === 'SO_ATTACH_BPF' && '${type}' === 'dgram') {
      socket.bind({ address: '${family === 'ipv4' ? '127.0.0.1' : '::1'}', port: 0 });
      make('dgram').sendmsg({ data: Buffer.from('x'), to: socket.local });
      attached = socket.recvmsg({ buffers: [Buffer.alloc(1)] }) === undefined; // over loopback it would be there by now
      setOption(socket, 'SO_DETACH_FILTER', true);
      make('dgram').sendmsg({ data: Buffer.from('x'), to: socket.local });
      attached &&= socket.recvmsg({ buffers: [Buffer.alloc(1)] })?.bytes === 1;
    } else if ('${option}' === 'SO_ATTACH_BPF' && '${type}' === 'stream') {
      // Accepted sockets inherit it, so that there is something to detach.
      socket.listen();
      const client = make('stream');
      client.connect({ address: '${family === 'ipv4' ? '127.0.0.1' : '::1'}', port: socket.local.port });
      await client.connected();
      setOption(socket.accept().socket, 'SO_DETACH_FILTER', true);
    } else if ('${option}' === 'SO_ATTACH_BPF') setOption(socket, 'SO_DETACH_FILTER', true);
    else setOption(socket, 'SO_DETACH_REUSEPORT_BPF', true);
    console.log(JSON.stringify({ attached }));
  `;
  try {
    writeFileSync(`${loader}.c`, LOADER);
    execFileSync('gcc', ['-o', loader, `${loader}.c`]);
    const args = [type === 'dgram' ? '0' : '-1', process.execPath, '--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(loader, args, { env: nodeEnvironment() });
    return JSON.parse(stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
