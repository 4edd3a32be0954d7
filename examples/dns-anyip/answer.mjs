// Answers DNS queries. dns-packet reads and writes the messages.
import packet from 'dns-packet';

const REFUSED = 5;
/** Seconds. */
const TTL = 60;

/**
 * @param {Buffer} query as received, from anybody
 * @param {import('linux-sockets').Endpoint | undefined} asked the address that was queried; undefined if it is not in a prefix
 * @param {import('linux-sockets').Endpoint} client
 * @returns {{ data: Buffer, question: string, result: string } | undefined} undefined if it is not a query
 */
export function answer(query, asked, client) {
  try {
    const { type, id, questions } = packet.decode(query);
    const [question] = questions ?? [];
    return type === 'query' && question !== undefined ? respond(id ?? 0, question, asked, client) : undefined;
  } catch {
    return undefined; // dns-packet throws for anything but a DNS message
  }
}

/**
 * @param {number} id
 * @param {import('dns-packet').Question} question
 * @param {import('linux-sockets').Endpoint | undefined} asked
 * @param {import('linux-sockets').Endpoint} client
 */
function respond(id, question, asked, client) {
  const answers = asked === undefined ? [] : records(question, asked, client);
  const flags = packet.AUTHORITATIVE_ANSWER | (asked === undefined ? REFUSED : 0);
  const data = packet.encode({ type: 'response', id, flags, questions: [question], answers });
  const result = asked === undefined ? 'refused' : answers.map((record) => record.data).join(', ') || 'no such record';
  return { data, question: `${question.type} ${question.name}`, result };
}

/**
 * @param {import('dns-packet').Question} question
 * @param {import('linux-sockets').Endpoint} asked
 * @param {import('linux-sockets').Endpoint} client
 * @returns {import('dns-packet').Answer[]}
 */
function records({ type, name }, asked, client) {
  const own = asked.family === 'ipv4' ? 'A' : 'AAAA';
  if (type === own) return [{ type, name, ttl: TTL, data: asked.address }];
  if (type === 'TXT') return [{ type, name, ttl: TTL, data: `${client.address} asked ${asked.address}` }];
  return [];
}
