// A driver of as many GPUs as it is compiled with, or one that does not start: what ask_driver() is to make of it.
extern "C" [[gnu::visibility("default")]] int cuInit(unsigned) { return FAKE_INIT; }
extern "C" [[gnu::visibility("default")]] int cuDeviceGetCount(int* count) {
  *count = FAKE_COUNT;
  return 0;
}
