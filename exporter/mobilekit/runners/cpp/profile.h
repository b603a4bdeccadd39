// Profile: inferences under ExecuTorch's event tracer -> the ETDump that they leave. Refuses where there is no tracer.
#pragma once

#ifdef MOBILEKIT_TRACER
#include <executorch/devtools/etdump/etdump_flatcc.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "clock.h"
#include "program.h"

namespace runner {

[[noreturn]] inline void refuse() { throw Refusal("this build of ExecuTorch has no event tracer"); }

#ifdef MOBILEKIT_TRACER
// ExecuTorch's own tracer; a count stands still while it writes down what it was told.
class Tracer final : public executorch::etdump::ETDumpGen {
 public:
  explicit Tracer(Counting& counting) : counting_(counting) {}

  void create_event_block(const char* name) override {
    const Counting::Stopped stopped(counting_);
    ETDumpGen::create_event_block(name);
  }
  et::EventTracerEntry start_profiling(const char* name, et::ChainID chain, et::DebugHandle instruction) override {
    const Counting::Stopped stopped(counting_);
    return ETDumpGen::start_profiling(name, chain, instruction);
  }
  void end_profiling(et::EventTracerEntry entry) override {
    const Counting::Stopped stopped(counting_);
    ETDumpGen::end_profiling(entry);
  }
  et::EventTracerEntry start_profiling_delegate(const char* name, et::DelegateDebugIntId index) override {
    const Counting::Stopped stopped(counting_);
    return ETDumpGen::start_profiling_delegate(name, index);
  }
  void end_profiling_delegate(et::EventTracerEntry entry, const void* metadata, size_t bytes) override {
    const Counting::Stopped stopped(counting_);
    ETDumpGen::end_profiling_delegate(entry, metadata, bytes);
  }
  void log_profiling_delegate(const char* name, et::DelegateDebugIntId index, et_timestamp_t start, et_timestamp_t end,
                              const void* metadata, size_t bytes) override {
    const Counting::Stopped stopped(counting_);
    ETDumpGen::log_profiling_delegate(name, index, start, end, metadata, bytes);
  }

 private:
  Counting& counting_;
};

// The artifact is loaded once more for it: tracing would slow what is timed and counted.
inline std::string profiled(const std::string& path, Sample sample, int64_t runs, const volatile uint64_t* counter) {
  Counting counting(counter);
  Tracer tracer(counting);
  {
    Session session(path, &tracer);
    const Inputs inputs = session.bind(std::move(sample));
    for (int64_t i = 0; i < runs; ++i) session.call(inputs);
  }
  const executorch::etdump::ETDumpResult dump = tracer.get_etdump_data();
  const std::unique_ptr<void, decltype(&std::free)> owned(dump.buf, &std::free);
  if (dump.buf == nullptr || dump.size == 0) refuse();
  return std::string(static_cast<const char*>(dump.buf), dump.size);
}
#else
inline std::string profiled(const std::string&, Sample, int64_t, const volatile uint64_t*) { refuse(); }
#endif

}  // namespace runner
