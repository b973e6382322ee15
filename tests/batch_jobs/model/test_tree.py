from batch_jobs.model.tree import UNKNOWN, Node, Question, depth, size, words

STATES = Question("property_state", None, ("FL", "NV"), ("CA", "OH", UNKNOWN))
TREE = Node(
    1000,
    0.0125,
    Question("classic_fico", 640.5, (), ()),
    Node(200, 0.05, STATES, Node(50, 0.12), Node(150, 0.02666)),
    Node(800, 0.0031),
)


def test_the_tree_reads_as_questions_about_columns() -> None:
    assert words(TREE).splitlines() == [
        "all: 1,000 loans, 1.25%",
        "├─ classic_fico <= 640.5: 200 loans, 5.00%",
        "│  ├─ property_state is FL, NV: 50 loans, 12.00%",
        "│  └─ property_state is CA, OH, (unknown): 150 loans, 2.67%",
        "└─ classic_fico > 640.5: 800 loans, 0.31%",
    ]
    assert (size(TREE), depth(TREE)) == (5, 2)


def test_many_categories_are_counted() -> None:
    question = Question("property_state", None, tuple("abcdefgh"), ("i",))
    assert question.yes() == "property_state is a, b, c, d, e, f or 2 more"
    assert question.no() == "property_state is i"
