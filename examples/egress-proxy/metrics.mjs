// Metrics for Prometheus: counters of the proxy, gauges of the pool at the moment of the scrape, and those of the process.
import { createServer } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

export class Metrics {
  #registry = new Registry();
  #tunnels = this.#counter('egress_proxy_tunnels_total', 'Tunnels that have ended, by result', ['protocol', 'result']);
  #refusals = this.#counter('egress_proxy_refusals_total', 'Requests that were refused, by reason', [
    'protocol',
    'why',
  ]);
  #bytes = this.#counter('egress_proxy_bytes_total', 'Bytes in tunnels that have ended', ['direction']);
  #open;
  #counts = { tunnels: 0, failed: 0, refused: 0, sent: 0, received: 0 };

  /** @param {import('linux-sockets').EgressPool} pool */
  constructor(pool) {
    collectDefaultMetrics({ register: this.#registry });
    this.#open = new Gauge({
      name: 'egress_proxy_open',
      help: 'Requests that are being served',
      registers: [this.#registry],
    });
    const gauge = new Gauge({
      name: 'egress_proxy_source_connections',
      help: 'Connections per source: held now; since the start: failed, and exhausted (no port was free)',
      labelNames: ['source', 'state'],
      registers: [this.#registry],
      collect: () => {
        for (const { source, held, exhausted, failed } of pool.stats.sources) {
          gauge.set({ source, state: 'held' }, held);
          gauge.set({ source, state: 'exhausted' }, exhausted);
          gauge.set({ source, state: 'failed' }, failed);
        }
      },
    });
  }

  /** @param {number} by */
  opened(by) {
    this.#open.inc(by);
  }

  /** @param {string} protocol @param {import('./proxy.mjs').Refusal} refusal */
  refused(protocol, { why }) {
    this.#counts.refused++;
    this.#refusals.inc({ protocol, why });
  }

  /** @param {string} protocol @param {import('./tunnel.mjs').TunnelResult} result */
  ended(protocol, { sent, received, error }) {
    this.#counts.tunnels++;
    if (error !== undefined) this.#counts.failed++;
    this.#counts.sent += sent;
    this.#counts.received += received;
    this.#tunnels.inc({ protocol, result: error === undefined ? 'ended' : 'failed' });
    this.#bytes.inc({ direction: 'sent' }, sent);
    this.#bytes.inc({ direction: 'received' }, received);
  }

  totals() {
    return { ...this.#counts };
  }

  createServer() {
    return createServer((request, response) => {
      request.resume();
      if (request.url !== '/metrics') {
        response.writeHead(404).end('Not found; see /metrics.\n');
        return;
      }
      this.#registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': this.#registry.contentType }).end(text),
        (error) => response.writeHead(500).end(String(error)),
      );
    });
  }

  /** @param {string} name @param {string} help @param {string[]} labelNames */
  #counter(name, help, labelNames) {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }
}
