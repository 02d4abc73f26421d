"""What is checked of the meta commands, flag by flag: requests, and memcached's own answers.

The notation is `_script`'s.
"""

from __future__ import annotations

__all__ = ["META"]

META = r"""
== mn
it answers, whatever else is on the line
> mn
< MN

== mg
a miss
> mg {k} v
< EN

a hit without flags
> ms {k} 1
> a
< HD
> mg {k} f
< HD f0

a key that is too long is refused
> mg {toolong} v
< CLIENT_ERROR bad command line format

an unknown flag is refused
> mg {k} n
< CLIENT_ERROR invalid flag

a flag that comes twice is refused
> mg {k} v v
< CLIENT_ERROR duplicate flag

a flag that makes no sense here is passed over
> mg {k} I
< EN

== mg: v
the value comes with its length
> ms {k} 3
> abc
< HD
> mg {k} v
< VA 3
< abc

== mg: f s
the flags and the size, in the order of the request
> ms {k} 3 F17
> abc
< HD
> mg {k} s f v
< VA 3 s3 f17
< abc
> mg {k} f s
< HD f17 s3

== mg: t
no time is -1
> ms {k} 1
> a
< HD
> mg {k} t
< HD t-1

the time that is left
> ms {k} 1 T100
> a
< HD
> mg {k} t
? HD t(100|99)

== mg: T
the time is changed, where it stands among the flags
> ms {k} 1 T100
> a
< HD
> mg {k} T500 t
? HD t(500|499)

a time that is no number is refused
> mg {k} Tabc
< CLIENT_ERROR bad token in command line format

== mg: c
the cas is a number
> ms {k} 1
> a
< HD
> mg {k} c
? HD c[0-9]+

== mg: h l
whether it has been fetched, and when
> ms {k} 1
> a
< HD
> mg {k} h l
? HD h0 l[01]
> mg {k} h
< HD h1

== mg: u
a look that leaves no trace
> ms {k} 1
> a
< HD
> mg {k} u h
< HD h0
> mg {k} h
< HD h0

== mg: k O
the key and the opaque come back, on a miss too
> mg {k} O123 k
< EN O123 k{k}
> ms {k} 1
> a
< HD
> mg {k} k O123
< HD k{k} O123

an opaque of 31 bytes is the longest
> mg {j} O0123456789012345678901234567890
< EN O0123456789012345678901234567890
> mg {j} O01234567890123456789012345678901
< CLIENT_ERROR opaque token too long

== mg: q
a miss is silent, a hit is not
> ms {k} 1
> a
< HD
> mg {j} q v
> mg {k} q v
> mn
< VA 1
< a
< MN

== mg: b
the key in base64 is the same item
> set {k} 0 0 1
> a
< STORED
> mg {k64} b v
< VA 1
< a

what is no base64 is refused
> mg *** b v
< CLIENT_ERROR error decoding key

== mg: N
a miss is created, and this client may fill it
> mg {k} N60 v t
? VA 0 t(60|59) W
<
> mg {k} N60 v
< VA 0 Z
<

== mg: R
who comes when little time is left may fetch it anew, all others not
> ms {k} 1 T10
> a
< HD
> mg {k} R30 v
< VA 1 W
< a
> mg {k} R30 v
< VA 1 Z
< a
> mg {k} R5 v
< VA 1 Z
< a

== mg: stale
what has been invalidated goes to one winner, to the others with a mark
> ms {k} 1
> a
< HD
> md {k} I T30
< HD
> mg {k} v
< VA 1 X W
< a
> mg {k} v
< VA 1 Z X
< a
> ms {k} 1
> b
< HD
> mg {k} v
< VA 1
< b

== ms
it stores
> ms {k} 2
> ab
< HD
> get {k}
< VALUE {k} 0 2
< ab
< END

a length that is no number leaves the data to be read as commands
> ms {k} abc
> nonsense
< CLIENT_ERROR bad command line format
< ERROR

data that is longer than announced is refused
> ms {k} 3
> abcdenonsense
< CLIENT_ERROR bad data chunk
< ERROR

an unknown flag is refused, and the data swallowed
> ms {k} 2 n
> xx
< CLIENT_ERROR invalid flag

== ms: F T
flags and time are kept
> ms {k} 1 F9 T100
> a
< HD
> mg {k} f t
? HD f9 t(100|99)

== ms: M
add
> ms {k} 1 ME
> a
< HD
> ms {k} 1 ME
> b
< NS

replace
> ms {k} 1 MR
> a
< NS
> ms {k} 1
> a
< HD
> ms {k} 1 MR
> b
< HD
> mg {k} v
< VA 1
< b

append and prepend
> ms {k} 1 MA
> a
< NS
> ms {k} 1
> b
< HD
> ms {k} 1 MA
> c
< HD
> ms {k} 1 MP
> a
< HD
> mg {k} v
< VA 3
< abc

an unknown mode is refused, and the data swallowed
> ms {k} 1 MX
> a
< CLIENT_ERROR invalid mode for ms M token

== ms: C
another cas is refused, what is not there is not found
> ms {k} 1 C1
> a
< NF
> ms {k} 1
> a
< HD
> ms {k} 1 C0
> b
< EX
> mg {k} v
< VA 1
< a

== ms: E
the new item gets the cas that is given [from 1.6.27]
> ms {k} 1 E12345
> a
< HD
> mg {k} c
< HD c12345

== ms: c k O b
what was asked for comes back
> ms {k} 1 O7 k
> a
< HD O7 k{k}
> ms {j64} 1 b k O8
> a
< HD k{j64} b O8
> mg {j} v
< VA 1
< a

== ms: q
success is silent, failure is not
> ms {k} 1 q
> a
> ms {k} 1 ME q O5
> b
> mn
< NS O5
< MN

== ms: N
what is missing is created with a time [from 1.6.20]
> ms {k} 1 MA N60
> a
< HD
> mg {k} v t
? VA 1 t(60|59)
< a

== md
what is there is deleted, what is not is not found
> md {k}
< NF
> ms {k} 1
> a
< HD
> md {k}
< HD
> mg {k}
< EN

== md: C
another cas is refused
> ms {k} 1
> a
< HD
> md {k} C1
< EX
> mg {k} v
< VA 1
< a

== md: q
success is silent, failure is not
> ms {k} 1
> a
< HD
> md {k} q
> md {k} q O9
> mn
< NF O9
< MN

== md: k O
what was asked for comes back
> md {k} O1 k
< NF O1 k{k}

== md: x
the value goes, the item stays [from 1.6.27]
> ms {k} 3 F5
> abc
< HD
> md {k} x
< HD
> mg {k} f v
< VA 0 f0
<

== ma
it counts, and creates nothing
> ma {k}
< NF
> ms {k} 2
> 99
< HD
> ma {k}
< HD
> mg {k} v
< VA 3
< 100

what is no number is refused
> ms {k} 1
> a
< HD
> ma {k}
< CLIENT_ERROR cannot increment or decrement non-numeric value

an unknown flag is refused
> ma {k} n
< CLIENT_ERROR invalid or duplicate flag

== ma: v t
the number comes back, and the time
> ms {k} 1 T100
> 5
< HD
> ma {k} v t
? VA 1 t(100|99)
< 6

== ma: D M
a delta, up and down, to zero and no further
> ms {k} 2
> 50
< HD
> ma {k} D7 v
< VA 2
< 57
> ma {k} MD D8 v
< VA 2
< 49
> ma {k} MD D100 v
< VA 1
< 0

an unknown mode is refused
> ma {k} MX
< CLIENT_ERROR invalid mode for ma M token

== ma: N J
what is missing is created with its first value
> ma {k} N60 J13 v t
? VA 2 t(60|59)
< 13
> ma {k} N60 J13 v
< VA 2
< 14

== ma: C
another cas is refused
> ms {k} 1
> 5
< HD
> ma {k} C1
< EX

== ma: q
success is silent, failure is not
> ms {k} 1
> 5
< HD
> ma {k} q
> ma {j} q O3
> mn
< NF O3
< MN
> mg {k} v
< VA 1
< 6

== ma: T
the time is changed
> ms {k} 1
> 5
< HD
> ma {k} T100 t
? HD t(100|99)

== me
a miss
> me {k}
< EN

a hit is described
> ms {k} 1
> a
< HD
> me {k}
? ME {k} exp=.* la=[0-9]+ cas=[0-9]+ fetch=(yes|no) cls=[0-9]+ size=[0-9]+.*
"""
