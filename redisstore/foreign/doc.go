// Package foreign turns numbers that other libraries keep one by one in a store of
// their own into a source of a merge.
//
// A reader of such a store decodes what it finds into samples, adds them to a Table,
// and has a Book bind the table into a source. What cannot be shown costs no more than
// itself: it is counted, and named in the log once, by a Ledger.
//
// All processes write into one and the same value there, so a source stands for all
// of them, and nothing in it says who they are.
package foreign
