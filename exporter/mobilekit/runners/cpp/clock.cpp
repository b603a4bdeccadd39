// The clock of mobilekit_counter, in the C library's place; clock.h says why.
#include "clock.h"

#include <dlfcn.h>
#include <time.h>

extern "C" int clock_gettime(clockid_t which, struct timespec* time) noexcept {
  runner::Counting* counting = runner::Counting::active;
  if (counting != nullptr && which == CLOCK_MONOTONIC) {
    constexpr uint64_t kSecond = 1000000;
    const uint64_t microseconds = counting->read();
    time->tv_sec = static_cast<time_t>(microseconds / kSecond);
    time->tv_nsec = static_cast<long>(microseconds % kSecond) * 1000;
    return 0;
  }
  using Call = int (*)(clockid_t, struct timespec*);
  static const Call system = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "clock_gettime"));
  return system(which, time);
}
