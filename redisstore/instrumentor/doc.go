// Package instrumentor reads the hash in which instrumentor keeps the metrics of a
// namespace, as its code writes it and as its README describes it:
//
//	name::k="v",k2="v2"          value
//	name:b:le="0.5",k="v"        bucket, cumulative; those that nothing fell into are missing
//	name:s:  name:c:             sum and count of a histogram or summary
//	name:d:                      help
//	name:t:                      type: c, g, h or s
//
// The README spells the letters out (bucket, sum, count, description, type), also the
// types, puts a second colon behind some of them, and knows summaries with quantiles.
//
// Values of labels are stored unescaped. Where a name is there twice, one of the two
// may be a part of a value; such a field is left out.
//
// It is read by HLEN, HGETALL and HSCAN alone.
package instrumentor
