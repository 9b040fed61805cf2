"""Vector instructions that Numba has no words for: 32 bars, or 64 signals, looked at together.

A *set of bars* is a 64-bit word: bit k stands for the k-th bar from a first one. `LANES` prices are compared in
eight vector instructions, and the answer is such a set; the first bar of a set is one instruction. A search for
the bar at which something happens so costs one branch for 32 bars, and the processor guesses it right most of the
time; a loop over bars costs a wrong guess at its end, which takes as long as a dozen bars.

Every function reads `LANES` (`flags_at`: 64) elements from its index on; the caller keeps them inside the arrays.
"""

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

LANES = 32
LANE_SET = np.uint64(2**LANES - 1)
ALL = np.uint64(2**64 - 1)
WORD = 64
# Unsigned indices spare a test for negative ones at each access; a mix with signed numbers would become float.
ONE, SIX, LAST_BIT = np.uint64(1), np.uint64(6), np.uint64(63)

# Doubles in one vector register of AVX2; longer vectors make the compiler keep them in memory.
_WIDTH = 4
_BYTE, _INT32, _INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_DOUBLES = ir.VectorType(ir.DoubleType(), _WIDTH)


def _place(context, builder, array_type, array, index, vector):
    """Return the place of a vector inside an array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _vector(array_type):
    """Return the type of a register of an array's numbers: four doubles, or eight of single precision."""
    single = array_type.dtype == types.float32
    return ir.VectorType(ir.FloatType() if single else ir.DoubleType(), 2 * _WIDTH if single else _WIDTH)


def _registers(context, builder, array_type, array, index):
    """Return the places of the vectors that hold `LANES` numbers of an array from an index on."""
    vector = _vector(array_type)
    first = _place(context, builder, array_type, array, index, vector)
    return [builder.gep(first, [ir.Constant(_INT32, i)]) for i in range(LANES // vector.count)]


def _splat(builder, value, count):
    """Return a vector that holds one value in every lane."""
    nothing = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT32, count), [0] * count))


def _smaller(builder, a, b, reverse=False):
    """Return the lane-wise minimum of two vectors; the maximum when reversed."""
    return builder.select(builder.fcmp_ordered(">" if reverse else "<", a, b), a, b)


def _across(builder, vector, reverse=False):
    """Return the smallest lane of a vector; the largest when reversed."""
    lanes = [builder.extract_element(vector, ir.Constant(_INT32, i)) for i in range(vector.type.count)]
    while len(lanes) > 1:
        lanes = [_smaller(builder, a, b, reverse) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
    return lanes[0]


@intrinsic
def flags_at(typing_context, flags, t):
    """Return the set of the 64 flags from t on that are true."""

    def codegen(context, builder, signature, arguments):
        vector = ir.VectorType(_BYTE, WORD)
        values = builder.load(_place(context, builder, signature.args[0], *arguments, vector), align=1)
        truths = builder.icmp_unsigned("!=", values, ir.Constant(vector, [0] * WORD))
        return builder.bitcast(truths, _INT64)

    return types.uint64(flags, types.int64), codegen


@intrinsic
def outside(typing_context, lowest, highest, t, lower, upper):
    """Return the set of bars from t on with ``lowest <= lower`` or ``highest >= upper``; a NaN is never outside.

    Against arrays of single precision the levels are rounded as those were. Rounding keeps the order, so no bar is
    missed; one within a rounding of a level may be in the set without being outside.
    """

    def codegen(context, builder, signature, arguments):
        low_type, high_type = signature.args[:2]
        low, high, t = arguments[:3]
        vector = _vector(low_type)
        width = vector.count
        levels = arguments[3:]
        if vector.element != ir.DoubleType():
            levels = [builder.fptrunc(level, vector.element) for level in levels]
        lower, upper = (_splat(builder, level, width) for level in levels)
        lows = _registers(context, builder, low_type, low, t)
        highs = _registers(context, builder, high_type, high, t)
        align = 8 * _WIDTH // width
        bars = ir.Constant(_INT64, 0)
        for i, (low_place, high_place) in enumerate(zip(lows, highs, strict=True)):
            below = builder.fcmp_ordered("<=", builder.load(low_place, align=align), lower)
            above = builder.fcmp_ordered(">=", builder.load(high_place, align=align), upper)
            found = builder.bitcast(builder.or_(below, above), ir.IntType(width))
            shifted = builder.shl(builder.zext(found, _INT64), ir.Constant(_INT64, i * width))
            bars = builder.or_(bars, shifted)
        return bars

    return types.uint64(lowest, highest, types.int64, types.float64, types.float64), codegen


@intrinsic
def lowest_and_highest(typing_context, values, j):
    """Return the lowest and the highest of the `LANES` values from j on, which are no NaN."""
    answer = types.UniTuple(types.float64, 2)

    def codegen(context, builder, signature, arguments):
        lowest = highest = None
        for place in _registers(context, builder, signature.args[0], *arguments):
            value = builder.load(place, align=8)
            lowest = value if lowest is None else _smaller(builder, value, lowest)
            highest = value if highest is None else _smaller(builder, value, highest, reverse=True)
        lowest, highest = _across(builder, lowest), _across(builder, highest, reverse=True)
        return context.make_tuple(builder, answer, (lowest, highest))

    return answer(values, types.int64), codegen


@intrinsic
def reaching(typing_context, values, j, level):
    """Return the set of the `LANES` values from j on that are not below a level."""

    def codegen(context, builder, signature, arguments):
        values, j, level = arguments
        level = _splat(builder, level, _WIDTH)
        found = ir.Constant(_INT64, 0)
        for i, place in enumerate(_registers(context, builder, signature.args[0], values, j)):
            reached = builder.fcmp_ordered(">=", builder.load(place, align=8), level)
            lanes = builder.zext(builder.bitcast(reached, ir.IntType(_WIDTH)), _INT64)
            found = builder.or_(found, builder.shl(lanes, ir.Constant(_INT64, i * _WIDTH)))
        return found

    return types.uint64(values, types.int64, types.float64), codegen


@intrinsic
def write_equity(typing_context, equity, j, cash, q, close, t):
    """Write ``cash + q * close`` of the bars from t on to `equity` from j on; return whether all are above 0."""

    def codegen(context, builder, signature, arguments):
        equity, j, cash, q, close, t = arguments
        cash, q = _splat(builder, cash, _WIDTH), _splat(builder, q, _WIDTH)
        places = _registers(context, builder, signature.args[0], equity, j)
        closes = _registers(context, builder, signature.args[4], close, t)
        lowest = None
        for place, close_place in zip(places, closes, strict=True):
            worth = builder.fadd(cash, builder.fmul(q, builder.load(close_place, align=8)))
            builder.store(worth, place, align=8)
            lowest = worth if lowest is None else _smaller(builder, worth, lowest)
        lost = builder.fcmp_ordered("<=", lowest, ir.Constant(_DOUBLES, [0.0] * _WIDTH))
        return builder.icmp_unsigned(
            "==", builder.bitcast(lost, ir.IntType(_WIDTH)), ir.Constant(ir.IntType(_WIDTH), 0)
        )

    return types.boolean(equity, types.int64, types.float64, types.float64, close, types.int64), codegen


@intrinsic
def write_bars(typing_context, bar, j, t):
    """Write t, t + 1, ... to `bar` (int32) from j on."""

    def codegen(context, builder, signature, arguments):
        bar, j, t = arguments
        first = _splat(builder, builder.trunc(t, _INT32), LANES)
        steps = ir.Constant(first.type, list(range(LANES)))
        place = _place(context, builder, signature.args[0], bar, j, first.type)
        builder.store(builder.add(first, steps), place, align=4)
        return context.get_dummy_value()

    return types.void(bar, types.int64, types.int64), codegen


@intrinsic
def unguessed(typing_context, value):
    """Return an integer of which the compiler knows nothing, so that it makes no branch of what follows from it."""

    def codegen(context, builder, signature, arguments):
        function = ir.FunctionType(_INT64, [_INT64])
        return builder.call(ir.InlineAsm(function, "", "=r,0", side_effect=False), arguments)

    return types.int64(types.int64), codegen


@intrinsic
def either(typing_context, flag, a, b):
    """Return a where the flag is 1 and b where it is 0, without a branch to guess."""

    def codegen(context, builder, signature, arguments):
        flag, a, b = arguments
        mask = builder.neg(flag)
        ones, zeros = builder.bitcast(a, _INT64), builder.bitcast(b, _INT64)
        bits = builder.xor(zeros, builder.and_(mask, builder.xor(ones, zeros)))
        return builder.bitcast(bits, ir.DoubleType())

    return types.float64(types.int64, types.float64, types.float64), codegen


@intrinsic
def first_bar(typing_context, bars):
    """Return the lowest bar of a set; 64 for the empty one."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@njit(_nrt=False)
def pack_flags(flags, words):
    """Write the bars at which a flag is true as a set, 64 bars a word."""
    for w in range(words.size):
        first = w << 6
        if first + WORD <= flags.size:
            words[w] = flags_at(flags, first)
        else:
            words[w] = np.uint64(0)
            for t in range(first, flags.size):
                words[w] |= np.uint64(flags[t]) << np.uint64(t - first)


@njit(nogil=True, error_model="numpy", _nrt=False)
def pack_signals(flags, sets, k):
    """Pack flags (candidates, symbols, bars) into signal k of `sets` (candidates, symbols, signals, words)."""
    for i in range(flags.shape[0]):
        for s in range(flags.shape[1]):
            pack_flags(flags[i, s], sets[i, s, k])


@njit(forceinline=True, _nrt=False)
def at(values, i):
    """Return ``values[i]`` where i is known not to be negative: without a test for it."""
    return values[np.uint64(i)]


@njit(forceinline=True, _nrt=False)
def has_bar(words, t):
    """Return whether bar t is in the set that the array `words` holds, 64 bars a word."""
    t = np.uint64(t)
    return (words[t >> SIX] >> (t & LAST_BIT)) & ONE != 0


@njit(forceinline=True, _nrt=False)
def bars_from(words, t):
    """Return the set of the 64 bars from t on."""
    t = np.uint64(t)
    w, shift = t >> SIX, t & LAST_BIT
    return (words[w] >> shift) | ((words[w + ONE] << ONE) << (LAST_BIT - shift))
