// Clock: what a profile is measured with: the system's, or in mobilekit_counter the emulator's count of instructions.
//
// XNNPACK reads clock_gettime(CLOCK_MONOTONIC) around each of its operators, and ExecuTorch's tracer steady_clock, which
// is the same call. mobilekit_counter defines that call (clock.cpp), and a program's own definition comes before the C
// library's for every library that it loads. While a Counting lives, the call answers with the count: a microsecond per
// instruction, since XNNPACK keeps whole microseconds.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>

namespace runner {

class Counting {
 public:
  // null: nothing counts, and the clock stays the system's.
  explicit Counting(const volatile uint64_t* counter) : counter_(counter) {
    if (counter_ == nullptr) return;
    active = this;
    check();
    calibrate();
  }
  ~Counting() { active = nullptr; }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;

  // What the clock says. Reading it takes instructions too, which are left out of what comes after.
  uint64_t read() {
    if (stopped_) return stopped_at_;
    const uint64_t now = instructions();
    left_out_ += own_;
    return now;
  }

  // The count stands still for as long as one of these lives: what the tracer does is not the model's work.
  class Stopped {
   public:
    explicit Stopped(Counting& counting) : counting_(counting) {
      if (counting_.counter_ == nullptr) return;
      counting_.stopped_at_ = counting_.instructions();
      counting_.stopped_ = true;
    }
    ~Stopped() {
      if (counting_.counter_ == nullptr) return;
      counting_.stopped_ = false;
      counting_.left_out_ = *counting_.counter_ - counting_.stopped_at_;
    }
    Stopped(const Stopped&) = delete;
    Stopped& operator=(const Stopped&) = delete;

   private:
    Counting& counting_;
  };

  static inline Counting* active = nullptr;

 private:
  uint64_t instructions() const { return *counter_ - left_out_; }

  // A count that the libraries' clock does not show would be the system's time, taken for instructions.
  void check() {
    const uint64_t before = instructions();
    const auto told = std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1);
    if (static_cast<uint64_t>(told) >= before && static_cast<uint64_t>(told) <= instructions()) return;
    active = nullptr;
    throw std::runtime_error("instructions by operator are counted by mobilekit_counter, and this is another program");
  }

  void calibrate() {
    struct timespec first {}, second {};
    clock_gettime(CLOCK_MONOTONIC, &first);
    clock_gettime(CLOCK_MONOTONIC, &second);
    own_ = static_cast<uint64_t>(second.tv_sec - first.tv_sec) * 1000000 +
           static_cast<uint64_t>(second.tv_nsec / 1000) - static_cast<uint64_t>(first.tv_nsec / 1000);
  }

  const volatile uint64_t* counter_;
  uint64_t own_ = 0, stopped_at_ = 0, left_out_ = 0;
  bool stopped_ = false;
};

}  // namespace runner
