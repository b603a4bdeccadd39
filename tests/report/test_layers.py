"""The noise of layers on the page: each a column, the worst named, odd names escaped, nothing if nothing is known."""

from __future__ import annotations

from collections.abc import Callable

from mobilekit.bundle import Manifest
from mobilekit.bundle.manifest import LayerNoise, Quantization
from mobilekit.report.layers import layer_charts, worst_layers


def layer(name: str, sqnr_db: float | None) -> LayerNoise:
    return LayerNoise(name=name, operator="conv2d", sqnr_db=sqnr_db)


LAYERS = (layer("image", None), layer("a<b", 41.0), layer("stages.0", 30.5), layer("head", -3.0))


def test_a_bundle_that_does_not_say_has_no_chart(manifest: Manifest) -> None:
    assert layer_charts(manifest.model_copy(update={"quantization": ()})) == ()


def test_each_layer_is_a_column_and_the_worst_are_named(changed: Callable[..., Manifest]) -> None:
    manifest = changed(quantization=(Quantization(scheme="int8", quantized=3, candidates=4, layers=LAYERS),))
    (program,) = layer_charts(manifest)
    assert (program.scheme, program.targets) == ("int8", "xnnpack, onnx")
    assert program.summary.startswith("3 of 4 ")
    (chart,) = program.charts
    assert [one.name for one, _ in chart.worst] == ["head", "stages.0", "a<b"], "one that is equal is no bad one"
    for svg in (chart.wide, chart.narrow):
        assert svg.count("<title>") == len(LAYERS)
        assert "a&lt;b (conv2d): 41.0 dB" in svg and "a<b" not in svg
        assert "image (conv2d): equal" in svg


def test_what_each_layer_alone_costs_is_drawn_where_it_was_measured(changed: Callable[..., Manifest]) -> None:
    layers = tuple(one.model_copy(update={"alone_sqnr_db": 20.0 + at}) for at, one in enumerate(LAYERS[1:]))
    quantization = Quantization(
        scheme="mixed", quantized=2, candidates=4, layers=(LAYERS[0], *layers), floating=("a<b",), drop_points=0.1
    )
    (program,) = layer_charts(changed(quantization=(quantization,)))
    arriving, alone = program.charts
    assert [one.name for one, _ in alone.worst] == ["a<b", "stages.0", "head"]
    assert "image (conv2d): not measured, or no noise" in alone.wide
    assert "a&lt;b (conv2d): 20.0 dB" in alone.narrow and "a&lt;b (conv2d): 41.0 dB" in arriving.narrow
    assert program.summary.endswith("In float for the accuracy budget: a<b.")


def test_the_noisiest_come_first() -> None:
    assert [one.name for one, _ in worst_layers(LAYERS, count=2)] == ["head", "stages.0"]
    assert worst_layers((layer("x", None),)) == ()
