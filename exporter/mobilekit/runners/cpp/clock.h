// Clock: what a profile is measured with: the system's, or in mobilekit_counter the emulator's count of instructions.
//
// XNNPACK reads clock_gettime(CLOCK_MONOTONIC) around each of its operators, and ExecuTorch's tracer steady_clock, which
// is the same call. mobilekit_counter defines that call (clock.cpp), and a program's own definition comes before the C
// library's for every library that it loads. While a Counting lives, the call answers with the count: a microsecond per
// instruction, since XNNPACK keeps whole microseconds.
#pragma once

#include <cstdint>

namespace runner {

class Counting {
 public:
  // null: nothing counts, and the clock stays the system's.
  explicit Counting(const volatile uint64_t* counter) : counter_(counter) {
    if (counter_ != nullptr) active = this;
  }
  ~Counting() { active = nullptr; }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;

  bool counts() const { return counter_ != nullptr; }
  uint64_t instructions() const { return stopped_ ? stopped_at_ : *counter_ - left_out_; }

  // The count stands still for as long as one of these lives: what the tracer does is not the model's work.
  class Stopped {
   public:
    explicit Stopped(Counting& counting) : counting_(counting) {
      if (!counting_.counts()) return;
      counting_.stopped_at_ = counting_.instructions();
      counting_.stopped_ = true;
    }
    ~Stopped() {
      if (!counting_.counts()) return;
      counting_.stopped_ = false;
      counting_.left_out_ = *counting_.counter_ - counting_.stopped_at_;
    }
    Stopped(const Stopped&) = delete;
    Stopped& operator=(const Stopped&) = delete;

   private:
    Counting& counting_;
  };

  static inline const Counting* active = nullptr;

 private:
  const volatile uint64_t* counter_;
  uint64_t stopped_at_ = 0, left_out_ = 0;
  bool stopped_ = false;
};

}  // namespace runner
