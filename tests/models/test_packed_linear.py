"""Frozen layers through oneDNN: the same products and gradients, and plain layers where they do not apply."""

import copy

import pytest
import torch
from torch import nn

from bench.models.load import load_model
from bench.models.packaged import TINY
from bench.models.packed_linear import PackedLinear, pack_linears, unpack_linears
from bench.models.student import frozen_copy

packs = pytest.mark.skipif(
    not isinstance(pack_linears(nn.Linear(2, 2)), PackedLinear), reason="not an x86 CPU with oneDNN"
)


def frozen(inputs: int = 24, outputs: int = 40, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)


@packs
@pytest.mark.parametrize("bias", [True, False])
def test_products_and_gradients_are_those_of_a_plain_layer(bias: bool) -> None:
    plain = frozen(bias=bias)
    packed = pack_linears(copy.deepcopy(plain))
    rows = torch.randn(3, 7, 24)
    ours, theirs = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    torch.testing.assert_close(packed(ours), plain(theirs))
    packed(ours).square().sum().backward()
    plain(theirs).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    with torch.inference_mode():
        torch.testing.assert_close(packed(rows), plain(rows))


@packs
def test_a_weight_that_changes_is_packed_again() -> None:
    layer = pack_linears(frozen())
    rows = torch.randn(5, 24)
    before = layer(rows)
    with torch.no_grad():
        layer.weight.mul_(2.0)
    torch.testing.assert_close(layer(rows), 2 * (before - layer.bias) + layer.bias)
    layer.weight = nn.Parameter(torch.zeros(40, 24), requires_grad=False)
    torch.testing.assert_close(layer(rows), layer.bias.expand(5, 40))


@packs
def test_a_trained_or_rounded_weight_gets_a_plain_product() -> None:
    layer = pack_linears(frozen(bias=False))
    layer.weight.requires_grad_()
    rows = torch.randn(5, 24)
    layer(rows).sum().backward()
    torch.testing.assert_close(layer.weight.grad, rows.sum(0).expand(40, 24))
    half = copy.deepcopy(layer).to(torch.bfloat16)
    assert half(rows.bfloat16()).dtype == torch.bfloat16
    assert layer._packed is None and half._packed is None


@packs
def test_copies_share_what_is_packed_and_can_be_made_plain() -> None:
    base = load_model(TINY, "cpu")[0]
    layer = base.model.layers[0].mlp.up_proj
    copied = frozen_copy(base).model.layers[0].mlp.up_proj
    rows = torch.randn(4, layer.in_features)
    with torch.no_grad():
        assert torch.equal(copied(rows), copied(rows))
        again = copy.deepcopy(frozen_copy(base)).model.layers[0].mlp.up_proj
    assert type(copied) is PackedLinear and again.weight.data_ptr() != layer.weight.data_ptr()
    plain = unpack_linears(copy.deepcopy(base))
    assert {type(m) for m in plain.modules() if isinstance(m, nn.Linear)} == {nn.Linear}


@packs
def test_a_row_is_the_same_whatever_stands_beside_it() -> None:
    layer = pack_linears(frozen(576, 192, bias=False))
    rows = torch.randn(300, 576)
    with torch.inference_mode():
        whole = layer(rows)
        for count in (2, 3, 17, 64, 255):
            assert torch.equal(layer(rows[:count]), whole[:count])


@packs
def test_a_weight_at_the_address_of_a_former_one_is_packed_again() -> None:
    layer = pack_linears(nn.Linear(1024, 1024).requires_grad_(False))
    rows = torch.randn(3, 1024)
    for value in range(4):  # large tensors get the place that was freed last
        layer.weight.data = torch.empty(0)
        layer.weight.data = torch.full((1024, 1024), float(value))
        expected = value * rows.sum(-1, keepdim=True) + layer.bias
        torch.testing.assert_close(layer(rows), expected, atol=1e-2, rtol=1e-4)


@packs
def test_a_trained_bias_gets_its_gradient() -> None:
    layer = pack_linears(frozen())
    layer.bias.requires_grad_()
    layer(torch.randn(5, 24, requires_grad=True)).sum().backward()
    torch.testing.assert_close(layer.bias.grad, torch.full((40,), 5.0))


@packs
def test_gradients_of_gradients_are_those_of_a_plain_layer() -> None:
    plain = frozen()
    rows, found = torch.randn(5, 24), []
    for layer in (plain, pack_linears(copy.deepcopy(plain))):
        given = rows.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(layer(given).square().sum(), given, create_graph=True)
        gradient.square().sum().backward()
        found.append(given.grad)
    torch.testing.assert_close(found[1], found[0])


@packs
def test_a_weight_that_changes_before_the_backward_pass_is_refused() -> None:
    layer = pack_linears(frozen())
    out = layer(torch.randn(5, 24, requires_grad=True)).square().sum()
    with torch.no_grad():
        layer.weight.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()
