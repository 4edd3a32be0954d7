/** Modes of path MTU discovery, IP_PMTUDISC_* of linux/in.h and IPV6_PMTUDISC_* of linux/in6.h: the same numbers. */
export const PATH_MTU_DISCOVERY = { dont: 0, want: 1, do: 2, probe: 3, interface: 4, omit: 5 } as const;
