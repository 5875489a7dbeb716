"""Vectors in numba: the same class of `LANES` samples, worked on by single instructions.

numba has no such type and finds vectors only in loops that it can see through. So this defines
the type and its operations by LLVM's own vectors, which it maps to what the processor has.

A mask has one bit a lane. The order of scores is that of `torch.max`: NaN is above and below
everything else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
ALL = np.uint16(0xFFFF)
MASK = types.uint16
INDEX = ir.IntType(64)


class Vector(types.Type):
    """`LANES` numbers of one type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Vector) -> None:
        element = manager.lookup(fe_type.dtype).get_data_type()
        super().__init__(manager, fe_type, ir.VectorType(element, LANES))


def _lanes(element: Any, values: Any) -> Any:
    return ir.Constant(ir.VectorType(element, LANES), list(values))


def _bits(builder: Any, flags: Any) -> Any:
    return builder.bitcast(flags, ir.IntType(LANES))


def _flags(builder: Any, mask: Any) -> Any:
    return builder.bitcast(mask, ir.VectorType(ir.IntType(1), LANES))


def _splat(builder: Any, x: Any) -> Any:
    undefined = ir.Constant(ir.VectorType(x.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, x, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, _lanes(ir.IntType(32), [0] * LANES))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    element = context.data_model_manager[kind.dtype].get_data_type()
    pointer = builder.gep(data, [index])
    return builder.bitcast(pointer, ir.VectorType(element, LANES).as_pointer())


def _index(builder: Any, kind: Any, index: Any) -> Any:
    if kind.bitwidth == INDEX.width:
        return index
    return (builder.sext if kind.signed else builder.zext)(index, INDEX)


def _load(builder: Any, pointer: Any) -> Any:
    return builder.load(pointer, align=1)


@intrinsic
def peek(typing: Any, array: Any, start: Any) -> Any:
    """The elements of an array from `start` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index = _index(builder, start, args[1])
        return _load(builder, _pointer(context, builder, array, args[0], index))

    return Vector(array.dtype)(array, start), codegen


@intrinsic
def load(typing: Any, array: Any, row: Any) -> Any:
    """A row of an array of rows of `LANES`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index = builder.mul(_index(builder, row, args[1]), INDEX(LANES))
        return _load(builder, _pointer(context, builder, array, args[0], index))

    return Vector(array.dtype)(array, row), codegen


@intrinsic
def store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write a row of an array of rows of `LANES`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index = builder.mul(_index(builder, row, args[1]), INDEX(LANES))
        builder.store(args[2], _pointer(context, builder, array, args[0], index), align=1)
        return context.get_dummy_value()

    return types.void(array, row, value), codegen


@intrinsic
def fill(typing: Any, like: Any, x: Any) -> Any:
    """A vector of the type of another, or of an array, with `x` in every lane."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, context.cast(builder, args[1], x, like.dtype))

    return Vector(like.dtype)(like, x), codegen


@intrinsic
def where(typing: Any, mask: Any, a: Any, b: Any) -> Any:
    """`a` in the lanes of a mask, `b` in the others."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(_flags(builder, args[0]), args[1], args[2])

    return a(MASK, a, a), codegen


@intrinsic
def widen(typing: Any, a: Any) -> Any:
    """The same numbers in float64."""
    wide = Vector(types.float64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        same = a.dtype == types.float64
        return args[0] if same else builder.fpext(args[0], context.get_value_type(wide))

    return wide(a), codegen


def _comparison(compare: Callable[[Any, Any, Any], Any], doc: str) -> Any:
    def op(typing: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _bits(builder, compare(builder, *args))

        return MASK(a, a), codegen

    op.__doc__ = doc
    return intrinsic(op)


def _beats(sign: str) -> Callable[[Any, Any, Any], Any]:
    def compare(builder: Any, a: Any, b: Any) -> Any:
        number = builder.fcmp_ordered("ord", b, b)
        return builder.and_(builder.fcmp_unordered(sign, a, b), number)

    return compare


def _equal(builder: Any, a: Any, b: Any) -> Any:
    if isinstance(a.type.element, ir.IntType):
        return builder.icmp_unsigned("==", a, b)
    return builder.fcmp_ordered("==", a, b)


above = _comparison(_beats(">"), "Where `a > b`, or `a` is NaN and `b` is not.")
below = _comparison(_beats("<"), "Where `a < b`, or `a` is NaN and `b` is not.")
equal = _comparison(_equal, "Where `a == b`.")
unlike = _comparison(lambda b, x, y: b.fcmp_unordered("!=", x, y), "Where `a != b`, or one is NaN.")


def _arithmetic(operation: Callable[..., Any], instruction: str) -> None:
    def op(typing: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args)

        return a(a, a), codegen

    lowered = intrinsic(op)

    @overload(operation, strict=False)
    def of_vectors(a: Any, b: Any) -> Any:
        return (lambda a, b: lowered(a, b)) if isinstance(a, Vector) and a == b else None


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _arithmetic(_operation, _instruction)


def _call(builder: Any, name: str, *args: Any) -> Any:
    kind = args[0].type
    bits = "f32" if isinstance(kind.element, ir.FloatType) else "f64"
    signature = ir.FunctionType(kind, [kind] * len(args))
    name = f"llvm.{name}.v{LANES}{bits}"
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), args)


def _polynomial(builder: Any, x: Any, coefficients: list[float]) -> Any:
    result = _lanes(x.type.element, [coefficients[-1]] * LANES)
    for coefficient in coefficients[-2::-1]:
        constant = _lanes(x.type.element, [coefficient] * LANES)
        result = _call(builder, "fmuladd", result, x, constant)
    return result


def _float(kind: Any) -> tuple[bool, int, int, Any]:
    if not isinstance(kind.dtype, types.Float):
        raise TypingError(f"expected a vector of floats, got {kind}")
    single = kind.dtype == types.float32
    return (True, 127, 23, ir.IntType(32)) if single else (False, 1023, 52, ir.IntType(64))


@intrinsic
def magnitude(typing: Any, a: Any) -> Any:
    """The absolute values."""
    return a(a), lambda context, builder, signature, args: _call(builder, "fabs", args[0])


@intrinsic
def exp(typing: Any, a: Any) -> Any:
    """The exponential function of numbers up to 0, to the last place or two.

    With k the integer nearest x / ln 2, e^x = 2^k e^(x - k ln 2), where |x - k ln 2| < 0.35 and a
    few terms of the series do. What is too small for a normal number becomes 0.
    """
    single, bias, shift, integer = _float(a)
    lowest = -87.0 if single else -708.0
    high = 0.693359375 if single else 0.693145751953125
    low = -2.1219444005469058e-4 if single else 1.4286068203094172e-6
    series = [1 / float(np.prod(np.arange(1.0, i + 1))) for i in range(8 if single else 14)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args

        def constant(value: float) -> Any:
            return _lanes(x.type.element, [value] * LANES)

        inside = builder.fcmp_ordered(">", x, constant(lowest))
        y = builder.select(inside, x, constant(lowest))
        k = _call(builder, "rint", builder.fmul(y, constant(1 / np.log(2.0))))
        rest = _call(builder, "fmuladd", k, constant(-high), y)
        rest = _call(builder, "fmuladd", k, constant(-low), rest)
        power = builder.fptosi(k, ir.VectorType(integer, LANES))
        power = builder.add(power, _lanes(integer, [bias] * LANES))
        power = builder.shl(power, _lanes(integer, [shift] * LANES))
        result = builder.fmul(_polynomial(builder, rest, series), builder.bitcast(power, x.type))
        missing = builder.select(builder.fcmp_unordered("uno", x, x), x, constant(0.0))
        return builder.select(inside, result, missing)

    return a(a), codegen


@intrinsic
def log1p(typing: Any, a: Any) -> Any:
    """ln(1 + x) for x from 0 to 1: 2 artanh s with s = x / (2 + x) up to 1/3, by its series."""
    single, *_ = _float(a)
    series = [2 / (2 * i + 1) for i in range(8 if single else 17)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        s = builder.fdiv(x, builder.fadd(x, _lanes(x.type.element, [2.0] * LANES)))
        return builder.fmul(s, _polynomial(builder, builder.fmul(s, s), series))

    return a(a), codegen


@intrinsic
def lowest(typing: Any, mask: Any) -> Any:
    """The first lane of a mask that is not empty."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lane = builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))
        return builder.zext(lane, INDEX)

    return types.uint64(MASK), codegen


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    step = LANES // 2
    while step:
        for i in (i for i in range(LANES) if not i & step):
            a, b = rows[i], rows[i + step]
            first = [k if not k & step else k - step + LANES for k in range(LANES)]
            second = [k + step if not k & step else k + LANES for k in range(LANES)]
            rows[i] = builder.shuffle_vector(a, b, _lanes(ir.IntType(32), first))
            rows[i + step] = builder.shuffle_vector(a, b, _lanes(ir.IntType(32), second))
        step //= 2
    return rows


def _sample(builder: Any, start: Any, stride: Any, lane: int, last: Any) -> Any:
    bounded = builder.select(builder.icmp_signed("<", INDEX(lane), last), INDEX(lane), last)
    return builder.add(start, builder.mul(bounded, stride))


def _row(context: Any, builder: Any, kind: Any, rank: Any, column: Any, k: int) -> Any:
    data = context.make_array(kind)(context, builder, rank).data
    position = builder.load(builder.gep(data, [builder.add(column, INDEX(k))]))
    return builder.mul(_index(builder, kind.dtype, position), INDEX(LANES))


@intrinsic
def gather(
    typing: Any, source: Any, start: Any, stride: Any, last: Any, rank: Any, column: Any, rows: Any
) -> Any:
    """Transpose `LANES` columns of samples into rows.

    Sample s is at ``source[start + s * stride:]``; those after the last are copies of it. Column
    k becomes the row ``rank[column + k]``.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source_, start_, stride_, last_, rank_, column_, rows_ = args
        block = []
        for lane in range(LANES):
            at = _sample(builder, start_, stride_, lane, last_)
            block.append(_load(builder, _pointer(context, builder, source, source_, at)))
        for k, value in enumerate(_transposed(builder, block)):
            at = _row(context, builder, rank, rank_, column_, k)
            builder.store(value, _pointer(context, builder, rows, rows_, at), align=1)
        return context.get_dummy_value()

    index = types.int64
    return types.void(source, index, index, index, rank, index, rows), codegen


@intrinsic
def scatter(
    typing: Any, rows: Any, rank: Any, column: Any, target: Any, start: Any, stride: Any, last: Any
) -> Any:
    """The way back from `gather`; lanes after the last sample are dropped."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows_, rank_, column_, target_, start_, stride_, last_ = args
        block = []
        for k in range(LANES):
            at = _row(context, builder, rank, rank_, column_, k)
            block.append(_load(builder, _pointer(context, builder, rows, rows_, at)))
        block = _transposed(builder, block)
        # Those after the last land on it, and it overwrites them.
        for lane in reversed(range(LANES)):
            at = _sample(builder, start_, stride_, lane, last_)
            builder.store(block[lane], _pointer(context, builder, target, target_, at), align=1)
        return context.get_dummy_value()

    index = types.int64
    return types.void(rows, rank, index, target, index, index, index), codegen
