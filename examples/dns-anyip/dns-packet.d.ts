// What the example uses of dns-packet, which comes without types.
declare module 'dns-packet' {
  export interface Question {
    readonly type: string;
    readonly name: string;
  }
  export interface Answer extends Question {
    readonly ttl: number;
    readonly data: string;
  }
  export interface Packet {
    readonly type: 'query' | 'response';
    readonly id?: number;
    readonly flags?: number;
    readonly questions?: readonly Question[];
    readonly answers?: readonly Answer[];
  }
  const packet: {
    decode(bytes: Uint8Array): Packet;
    encode(packet: Packet): Buffer;
    readonly AUTHORITATIVE_ANSWER: number;
  };
  export default packet;
}
