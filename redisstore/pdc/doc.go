// Package pdc reads what prometheus-distributed-client keeps in Redis, in each of the
// ways in which its releases do, also beside each other in one database:
//
//	release           key                        field               of the hash
//	1.2.2             <name><suffix>             {"a": "b"}
//	1.2.3, 2.0.0-1    <prefix>_<name><suffix>    {"a": "b"}
//	2.0.2-2.1.3       <prefix>_<name>            <suffix>:{"a": "b"}
//	2.1.4 and later   <prefix>_<name>            <suffix>:{"a":"b"}
//
// Neither type nor help nor bounds are stored: types are told by the suffixes of all
// keys and fields together.
//
// It is read by SCAN, HLEN, HGETALL and HSCAN alone. Nothing is written, and no key
// lives longer for it.
package pdc
