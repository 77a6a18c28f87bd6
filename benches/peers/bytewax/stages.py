"""Bytewax's column: source, three stages and sink, as its guide writes them.

`stages.py <records> <index> [address…]` is one process of a cluster of so many as there are addresses, or the only one. It
makes its part of the records and prints: when its first batch was asked for, when its sink had its last (nanoseconds of the
monotonic clock, which all processes share), and the sum of what reached the sink.
"""

import sys
from struct import Struct
from time import monotonic_ns

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition, batch
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main, run_main

# What was quickest on two cores; its guide has one process for each core, as threads would share the interpreter's lock,
# and whole batches where an item by itself is little work.
BATCH = 5000

WORD = Struct("<Q")

records, index = int(sys.argv[1]), int(sys.argv[2])
addresses = sys.argv[3:]
began = ended = total = 0


def payload(number):
    return bytearray(WORD.pack(number) * 16)


class Numbers(StatelessSourcePartition):
    def __init__(self, numbers):
        self.batches = batch(map(payload, numbers), BATCH)

    def next_batch(self):
        global began
        began = began or monotonic_ns()
        return next(self.batches)


class Source(DynamicSource):
    def build(self, step_id, worker_index, worker_count):
        return Numbers(range(worker_index, records, worker_count))


class Sum(StatelessSinkPartition):
    def write_batch(self, items):
        global ended, total
        total += sum([word for word, in map(WORD.unpack_from, items)])
        ended = monotonic_ns()


class Sink(DynamicSink):
    def build(self, step_id, worker_index, worker_count):
        return Sum()


def first(payloads):
    for payload in payloads:
        payload[4] = 1
    return payloads


def second(payloads):
    for payload in payloads:
        payload[5] = 2
    return payloads


def third(payloads):
    for payload in payloads:
        payload[6] = 3
    return payloads


flow = Dataflow("stages")
stream = op.input("source", flow, Source())
stream = op.flat_map_batch("first", stream, first)
stream = op.flat_map_batch("second", stream, second)
stream = op.flat_map_batch("third", stream, third)
op.output("sink", stream, Sink())

if addresses:
    cluster_main(flow, addresses, index)
else:
    run_main(flow)
print(began, ended, total % 2**64)
