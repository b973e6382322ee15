"""What all tests share: property tests are not timed, because a busy machine is no bug."""

from hypothesis import settings

settings.register_profile("headrace", deadline=None)
settings.load_profile("headrace")
