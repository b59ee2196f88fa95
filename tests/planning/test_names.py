import pytest
from hypothesis import given
from hypothesis import strategies as st

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.names import did_you_mean, model_label, parse_models, parse_tasks, split_names


def written(text):
    return [(model.base, model.params) for model in parse_models(text)]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("mae", ["mae"]),
        ("mae, vlae", ["mae", "vlae"]),
        ("mae[eta=1,gamma=2],vlae", ["mae[eta=1,gamma=2]", "vlae"]),
        ('a[x={"k":[1,2]},y="],"],b', ['a[x={"k":[1,2]},y="],"]', "b"]),
        (r'a[x="\","],b', [r'a[x="\","]', "b"]),
    ],
)
def test_commas_inside_brackets_and_quotes_do_not_part(text, items):
    assert split_names(text) == items


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mae", [("mae", {})]),
        ("mae[]", [("mae", {})]),
        ("mae[eta=2.0,gamma=0.5]", [("mae", {"eta": 2.0, "gamma": 0.5})]),
        ("m[exact=true,mode=mean,none=null]", [("m", {"exact": True, "mode": "mean", "none": None})]),
        ("my/vae.py[beta=4]", [("my/vae.py", {"beta": 4})]),
        ("package.module:Class[beta=4]", [("package.module:Class", {"beta": 4})]),
        ('"my,models/a[1].py"[beta=2],mae', [("my,models/a[1].py", {"beta": 2}), ("mae", {})]),
        ('mae, "a[.py":Class[mode="x]"]', [("mae", {}), ("a[.py:Class", {"mode": "x]"})]),
        (r'"C:\new,\a\\b\".py:Class"', [('C:\\new,\\a\\b".py:Class', {})]),
        ('"mae"', [("mae", {})]),
        ("m[layers=[[32,32],[64]]]", [("m", {"layers": [32, 32]}), ("m", {"layers": [64]})]),
        ("m[path=a=b]", [("m", {"path": "a=b"})]),
        ("mae[diversity=[paper,mean]]", [("mae", {"diversity": "paper"}), ("mae", {"diversity": "mean"})]),
        ("m[mode=[ a , b ],k=[1,x]]", [("m", {"mode": mode, "k": k}) for mode in "ab" for k in (1, "x")]),
        ('m[mode=[paper,"a,b"]]', [("m", {"mode": "paper"}), ("m", {"mode": "a,b"})]),
        ("m[words=[[paper,mean]]]", [("m", {"words": ["paper", "mean"]})]),
        ("m[words=[[paper,mean],[]]]", [("m", {"words": ["paper", "mean"]}), ("m", {"words": []})]),
        ('m[pattern="[a-z]"]', [("m", {"pattern": "[a-z]"})]),
        ("m[z_dims=[[16,8]]]", [("m", {"z_dims": [16, 8]})]),
        (
            "mae[eta=[0.5,1.0,2.0],gamma=[0.1,0.5]]",
            [("mae", {"eta": eta, "gamma": gamma}) for eta in (0.5, 1.0, 2.0) for gamma in (0.1, 0.5)],
        ),
    ],
)
def test_json_where_it_parses_otherwise_a_string_and_a_list_is_a_grid(text, expected):
    assert written(text) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty item"),
        ("mae,,vlae", "empty item"),
        ("mae,", "empty item"),
        ("mae[eta=1", "unmatched bracket or quote"),
        ("mae]eta=1[", "unmatched bracket or quote"),
        ('mae[mode="a]', "unmatched bracket or quote"),
        ("[eta=1]", "is not a model"),
        ('""', "is not a model"),
        ('"a.py"x]', "unmatched bracket or quote"),
        ('"my,models/a.py', 'unmatched bracket or quote; .*"my,models/a.py"\\[beta=2]'),
        ("my,models[1/a.py", 'unmatched bracket or quote; .*"my,models/a.py"\\[beta=2]'),
        ("models[1]/a.py", 'is not a model, .*in double quotes .*"my,models/a.py"\\[beta=2]'),
        ("models/a[1]", 'is not name=value; .*"my,models/a.py"\\[beta=2]'),
        ("mae[eta=1]x", "is not a model"),
        ("mae[eta]", "is not name=value"),
        ("mae[eta=]", "is not name=value"),
        ("mae[=1]", "is not name=value"),
        ("mae[2x=1]", "is not name=value"),
        ("mae[eta=1,eta=2]", "gives eta twice"),
        ("mae[eta=[]]", "empty list"),
        ("mae[mode=[paper,]]", "empty item"),
        ("mae[mode=[paper,,mean]]", "empty item"),
        ("mae[mode=[a]-[b]]", "unmatched bracket or quote"),
        ("mae[eta=NaN]", "not finite"),
        ("mae[eta=[1.0,-Infinity]]", "not finite"),
        ("mae[eta=1e999]", "not finite"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error_that_says_why(text, fault):
    with pytest.raises(UsageError, match=fault):
        parse_models(text)


def test_tasks_are_written_with_the_same_quotes():
    assert parse_tasks('digits, "my,tasks/a[1].toml",b[1].toml') == ["digits", "my,tasks/a[1].toml", "b[1].toml"]


@given(st.text(min_size=1))
def test_any_path_can_be_written_in_quotes(path):
    quoted = '"' + path.replace("\\", r"\\").replace('"', r"\"") + '"'
    assert written(f"mae,{quoted}[beta=2]") == [("mae", {}), (path, {"beta": 2})]
    assert parse_tasks(f"{quoted},digits") == [path, "digits"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), json_values, max_size=3))
def test_a_label_reads_back_as_the_same_model(params):
    assert written(model_label("mae", params)) == [("mae", params)]


def test_labels_are_sorted_and_bare_where_they_can_be():
    assert model_label("mae", {"gamma": 0.5, "diversity": "paper"}) == "mae[diversity=paper,gamma=0.5]"
    assert model_label("m", {"mode": "true", "layers": [1, 2]}) == 'm[layers=[[1,2]],mode="true"]'
    assert model_label("resnet_vae", {}) == "resnet_vae"


def test_the_nearest_names_come_first_whatever_their_case():
    assert did_you_mean("MEA", ["vlae", "mae", "resnet_vae"], "models").startswith("; did you mean mae")
    assert did_you_mean("zzz", ["mae"], "models") == ". Known models: mae."
    assert did_you_mean("zzz", [], "parameters") == ". Known parameters: none."
