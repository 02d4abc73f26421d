"""What is checked of the classic commands: requests, and the answers of memcached itself.

The notation is `_script`'s.
"""

from __future__ import annotations

__all__ = ["CLASSIC"]

CLASSIC = r"""
== get
a miss is only the end
> get {k}
< END

a hit has the flags and the length
> set {k} 4294967295 0 3
> abc
< STORED
> get {k}
< VALUE {k} 4294967295 3
< abc
< END

an empty value is a hit
> set {k} 0 0 0
>
< STORED
> get {k}
< VALUE {k} 0 0
<
< END

several keys are answered in their order, misses are left out, repetitions are repeated
> set {k} 0 0 1
> a
< STORED
> set {j} 0 0 1
> b
< STORED
> get {j} {missing} {k} {j}
< VALUE {j} 0 1
< b
< VALUE {k} 0 1
< a
< VALUE {j} 0 1
< b
< END

a key may have 250 bytes
> get {longest}
< END

and no more
> get {toolong}
< CLIENT_ERROR bad command line format

no key at all is refused [before 1.6.40]
> get
< ERROR

no key at all is refused [from 1.6.40]
> get
< CLIENT_ERROR bad command line format

an unknown command is an error
> nonsense {k}
< ERROR

== gets
a hit has its cas
> set {k} 0 0 1
> a
< STORED
> gets {k}
? VALUE {k} 0 1 [0-9]+
< a
< END

== gat
a hit gets the new time, and is answered
> set {k} 3 0 1
> a
< STORED
> gat 100 {k} {missing}
< VALUE {k} 3 1
< a
< END

a negative time ends the item, but is answered
> set {k} 0 0 1
> a
< STORED
> gat -1 {k}
< VALUE {k} 0 1
< a
< END
> get {k}
< END

a time that is no number is refused
> gat abc {k}
< CLIENT_ERROR invalid exptime argument

== gats
a hit has its cas
> set {k} 0 0 1
> a
< STORED
> gats 100 {k}
? VALUE {k} 0 1 [0-9]+
< a
< END

== set
it replaces what is there, flags included
> set {k} 1 0 1
> a
< STORED
> set {k} 2 0 2
> bb
< STORED
> get {k}
< VALUE {k} 2 2
< bb
< END

a value may hold any bytes, line ends too
> set {k} 0 0 8
> a\r\nEND\r\n
< STORED
> get {k}
< VALUE {k} 0 8
< a
< END
<
< END

a negative time is stored, and gone at once
> set {k} 0 -1 1
> a
< STORED
> get {k}
< END

a time above thirty days is a date: this one has passed
> set {k} 0 2592001 1
> a
< STORED
> get {k}
< END

noreply is silent
> set {k} 0 0 1 noreply
> a
> get {k}
< VALUE {k} 0 1
< a
< END

data that is longer than announced is refused, and its rest read as commands
> set {k} 0 0 3
> abcdenonsense
< CLIENT_ERROR bad data chunk
< ERROR

a length that is no number leaves the data to be read as commands
> set {k} 0 0 abc
> nonsense
< CLIENT_ERROR bad command line format
< ERROR

a negative length is refused
> set {k} 0 0 -1
< CLIENT_ERROR bad command line format

a bad flag is refused, and the data read as commands [before 1.6.40]
> set {k} abc 0 2
> xx
< CLIENT_ERROR bad command line format
< ERROR

a bad flag is refused, and the data swallowed [from 1.6.40]
> set {k} abc 0 2
> xx
< CLIENT_ERROR bad command line format

a key that is too long is refused, and the data read as commands [before 1.6.40]
> set {toolong} 0 0 2
> xx
< CLIENT_ERROR bad command line format
< ERROR

a key that is too long is refused, and the data swallowed [from 1.6.40]
> set {toolong} 0 0 2
> xx
< CLIENT_ERROR bad command line format

too few words are refused [before 1.6.40]
> set {k} 0 0
< ERROR

too few words are refused [from 1.6.40]
> set {k} 0 0
< CLIENT_ERROR bad command line format

== add
what is not there is stored, what is there stays
> add {k} 1 0 1
> a
< STORED
> add {k} 2 0 1
> b
< NOT_STORED
> get {k}
< VALUE {k} 1 1
< a
< END

noreply is silent either way
> add {k} 0 0 1 noreply
> a
> add {k} 0 0 1 noreply
> b
> get {k}
< VALUE {k} 0 1
< a
< END

== replace
what is there is stored, what is not is not
> replace {k} 0 0 1
> a
< NOT_STORED
> set {k} 0 0 1
> b
< STORED
> replace {k} 7 0 1
> c
< STORED
> get {k}
< VALUE {k} 7 1
< c
< END

== append
it adds at the end, and keeps the flags
> append {k} 0 0 1
> x
< NOT_STORED
> set {k} 5 0 1
> a
< STORED
> append {k} 9 0 2
> bc
< STORED
> get {k}
< VALUE {k} 5 3
< abc
< END

== prepend
it adds in front, and keeps the flags
> prepend {k} 0 0 1
> x
< NOT_STORED
> set {k} 5 0 1
> a
< STORED
> prepend {k} 9 0 2
> bc
< STORED
> get {k}
< VALUE {k} 5 3
< bca
< END

== cas
what is not there is not found
> cas {k} 0 0 1 1
> a
< NOT_FOUND

another unique is refused, and the item stays
> set {k} 0 0 1
> a
< STORED
> cas {k} 0 0 1 0
> b
< EXISTS
> get {k}
< VALUE {k} 0 1
< a
< END

a unique that is no number is refused, and the data read as commands [before 1.6.40]
> cas {k} 0 0 2 abc
> xx
< CLIENT_ERROR bad command line format
< ERROR

a unique that is no number is refused, and the data swallowed [from 1.6.40]
> cas {k} 0 0 2 abc
> xx
< CLIENT_ERROR bad command line format

noreply is silent
> cas {k} 0 0 1 1 noreply
> a
> get {k}
< END

== delete
what is there is deleted, what is not is not found
> delete {k}
< NOT_FOUND
> set {k} 0 0 1
> a
< STORED
> delete {k}
< DELETED
> get {k}
< END

the old form with a zero is taken
> delete {k} 0
< NOT_FOUND

noreply is silent
> set {k} 0 0 1
> a
< STORED
> delete {k} noreply
> delete {k} noreply
> get {k}
< END

a key that is too long is refused
> delete {toolong}
< CLIENT_ERROR bad command line format

== incr
it counts, and creates nothing
> incr {k} 1
< NOT_FOUND
> get {k}
< END
> set {k} 3 0 2
> 99
< STORED
> incr {k} 1
< 100
> get {k}
< VALUE {k} 3 3
< 100
< END

it wraps at 2^64
> set {k} 0 0 20
> 18446744073709551615
< STORED
> incr {k} 2
< 1

what is no number is refused
> set {k} 0 0 1
> a
< STORED
> incr {k} 1
< CLIENT_ERROR cannot increment or decrement non-numeric value

a delta that is no number is refused
> incr {k} -1
< CLIENT_ERROR invalid numeric delta argument

noreply is silent
> set {k} 0 0 1
> 5
< STORED
> incr {k} 1 noreply
> incr {k} x noreply
> get {k}
< VALUE {k} 0 1
< 6
< END

== decr
it counts down to zero and no further
> decr {k} 1
< NOT_FOUND
> set {k} 0 0 1
> 5
< STORED
> decr {k} 7
< 0

a number that gets shorter is padded with blanks
> set {k} 0 0 3
> 100
< STORED
> decr {k} 1
< 99
> get {k}
< VALUE {k} 0 3
< 99\x20
< END

== touch
what is there is touched, what is not is not found
> touch {k} 100
< NOT_FOUND
> set {k} 0 0 1
> a
< STORED
> touch {k} 100
< TOUCHED
> get {k}
< VALUE {k} 0 1
< a
< END

a negative time ends the item
> set {k} 0 0 1
> a
< STORED
> touch {k} -1
< TOUCHED
> get {k}
< END

a time that is no number is refused
> touch {k} abc
< CLIENT_ERROR invalid exptime argument

== version
it has a number
> version
? VERSION [0-9]+\.[0-9]+.*

== verbosity
it is taken
> verbosity 0
< OK

== stats
it ends
> stats sizes
? STAT sizes_status .*
< END

a group that is unknown is an error
> stats nonsense
< ERROR

the figures about items are there to be read
> stats items
* STAT items:[0-9]+:[a-z_]+ [0-9]+
< END

the settings are there to be read
> stats settings
* STAT [a-z_0-9]+ .*
< END

== quit
what was asked before is answered, then the connection ends
> get {k}\r\nquit
< END
< (closed)

== lines
a line of more than 2048 bytes without an end closes the connection
| {endless}
< (closed)

an empty line is refused [before 1.6.40]
>
< ERROR

an empty line is refused [from 1.6.40]
>
< CLIENT_ERROR bad command line format

commands that come together are answered one by one
> set {k} 0 0 1\r\na\r\nget {k}\r\ndelete {k}\r\nget {k}
< STORED
< VALUE {k} 0 1
< a
< END
< DELETED
< END

a line feed alone ends a line as well
> get {k}\nget {j}
< END
< END

a browser is sent away
> GET / HTTP/1.1
< (closed)
"""
