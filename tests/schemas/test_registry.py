from headrace.schemas.registry import EVENT_CLASSES, OUTPUTS, RECORD_TYPES


def test_everything_is_listed_under_its_own_name() -> None:
    assert all(name == record_type.name for name, record_type in RECORD_TYPES.items())
    assert all(name == output.name for name, output in OUTPUTS.items())
    assert all(name == event_class.type for name, event_class in EVENT_CLASSES.items())
    assert EVENT_CLASSES.keys() == RECORD_TYPES.keys()


def test_every_output_windows_a_registered_record_type() -> None:
    assert all(RECORD_TYPES[output.record_type.name] is output.record_type for output in OUTPUTS.values())
