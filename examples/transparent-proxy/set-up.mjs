// The commands that redirect connections, and the answers to the proxy's connections, to the proxy.

/**
 * @param {number} port of the proxy
 * @param {number} serverPort of the servers
 */
export function setUp(port, serverPort) {
  return `ip rule add fwmark 1 lookup 100
ip route add local default dev lo table 100
ip -6 rule add fwmark 1 lookup 100
ip -6 route add local default dev lo table 100
nft 'table inet transparent_proxy {
  chain prerouting {
    type filter hook prerouting priority mangle;
    meta l4proto tcp socket wildcard 0 socket transparent 1 meta mark set 1 accept
    fib daddr type local return
    tcp dport ${serverPort} tproxy to :${port} meta mark set 1 accept
  }
}'`;
}
