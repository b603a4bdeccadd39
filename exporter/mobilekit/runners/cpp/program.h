// Program: a .pte in ExecuTorch -> outputs. Loads and checks as the Python runner does (pte.py), with its words.
#pragma once

#include <executorch/extension/data_loader/mmap_data_loader.h>
#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/runtime/core/event_tracer.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/runtime.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "arrays.h"

// The package ships this library but not its header; only what is used of it.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace runner {

namespace et = executorch::runtime;
using arrays::Array;
using arrays::Sample;

struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void need(et::Error error, const std::string& what) {
  if (error == et::Error::Ok) return;
  char code[16];
  std::snprintf(code, sizeof code, "0x%02x", static_cast<unsigned>(error));
  throw Refusal(what + ": ExecuTorch error " + code + " (" + et::to_string(error) + ")");
}

template <class T>
T taken(et::Result<T>&& result, const std::string& what) {
  need(result.error(), what);
  return std::move(result.get());
}

inline void prepare(int threads) {
  et::runtime_init();
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (pool != nullptr) pool->_unsafe_reset_threadpool(static_cast<uint32_t>(threads));
}

// ScalarType numbers of ExecuTorch, the same as torch's, in NumPy's words; null where NumPy has none.
inline const char* dtype_of(executorch::aten::ScalarType type) {
  switch (static_cast<int>(type)) {
    case 0: return "uint8";
    case 1: return "int8";
    case 2: return "int16";
    case 3: return "int32";
    case 4: return "int64";
    case 5: return "float16";
    case 6: return "float32";
    case 7: return "float64";
    case 11: return "bool";
    default: return nullptr;
  }
}

constexpr int kBFloat16 = 15;

struct Expected {
  std::string dtype;
  executorch::aten::ScalarType type;
  std::vector<int64_t> largest;  // a .pte says the largest shape that memory was planned for, not the smallest

  std::string describe(size_t index) const {
    std::string shape;
    for (const int64_t size : largest) shape += (shape.empty() ? ".." : ", ..") + std::to_string(size);
    return "input" + std::to_string(index) + " " + dtype + " [" + shape + "]";
  }

  bool fits(const Array& array) const {
    if (array.dtype != dtype || array.shape.size() != largest.size()) return false;
    for (size_t i = 0; i < largest.size(); ++i)
      if (array.shape[i] > largest[i]) return false;
    return true;
  }
};

// Inputs in the runtime's own form. They must outlive every inference on them.
class Inputs {
 public:
  Inputs(const std::vector<Expected>& expected, Sample sample) : sample_(std::move(sample)) {
    check(expected);
    sizes_.resize(sample_.size());
    orders_.resize(sample_.size());
    strides_.resize(sample_.size());
    for (size_t i = 0; i < sample_.size(); ++i) {
      const auto& shape = sample_[i].shape;
      int64_t stride = 1;
      strides_[i].resize(shape.size());
      for (size_t j = shape.size(); j-- > 0;) {
        strides_[i][j] = static_cast<int32_t>(stride);
        stride *= shape[j] > 0 ? shape[j] : 1;
      }
      for (size_t j = 0; j < shape.size(); ++j) {
        sizes_[i].push_back(static_cast<int32_t>(shape[j]));
        orders_[i].push_back(static_cast<uint8_t>(j));
      }
      impls_.push_back(std::make_unique<executorch::aten::TensorImpl>(
          expected[i].type, static_cast<ssize_t>(shape.size()), sizes_[i].data(), sample_[i].bytes.data(),
          orders_[i].data(), strides_[i].data()));
      values_.emplace_back(executorch::aten::Tensor(impls_.back().get()));
    }
  }

  const std::vector<et::EValue>& values() const { return values_; }

 private:
  // The bare runtime answers a missing input with the previous call's output.
  void check(const std::vector<Expected>& expected) const {
    if (expected.size() != sample_.size()) {
      std::string takes;
      for (size_t i = 0; i < expected.size(); ++i) takes += (i ? ", " : "") + expected[i].describe(i);
      throw Refusal("it takes " + std::to_string(expected.size()) + " input(s) (" +
                    (takes.empty() ? "nothing" : takes) + "), given " + std::to_string(sample_.size()));
    }
    for (size_t i = 0; i < expected.size(); ++i)
      if (!expected[i].fits(sample_[i])) {
        std::string shape;
        for (const int64_t size : sample_[i].shape) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
        throw Refusal("expected " + expected[i].describe(i) + ", given " + sample_[i].dtype + " [" + shape + "]");
      }
  }

  Sample sample_;
  std::vector<std::vector<int32_t>> sizes_, strides_;
  std::vector<std::vector<uint8_t>> orders_;
  std::vector<std::unique_ptr<executorch::aten::TensorImpl>> impls_;
  std::vector<et::EValue> values_;
};

// One loaded method, `forward`. A tracer writes down what it runs, and outlives it.
class Session {
 public:
  explicit Session(const std::string& path, et::EventTracer* tracer = nullptr) {
    using executorch::extension::MmapDataLoader;
    loader_ = std::make_unique<MmapDataLoader>(
        taken(MmapDataLoader::from(path.c_str(), MmapDataLoader::MlockConfig::NoMlock), "the file does not open"));
    // Minimal verification accepts files whose tables point outside of them.
    const auto checked = et::Program::Verification::InternalConsistency;
    program_ = std::make_unique<et::Program>(taken(et::Program::load(loader_.get(), checked), "the program does not load"));
    const et::MethodMeta meta = taken(program_->method_meta("forward"), "it has no method `forward`");
    plan_memory(meta);
    expect(meta);
    method_ = std::make_unique<et::Method>(
        taken(program_->load_method("forward", manager_.get(), tracer), "the method `forward` does not load"));
  }

  Inputs bind(Sample sample) const { return Inputs(expected_, std::move(sample)); }

  // One inference, as an app does it: inputs set, method executed.
  void call(const Inputs& inputs) {
    for (size_t i = 0; i < inputs.values().size(); ++i) need(method_->set_input(inputs.values()[i], i), "input");
    need(method_->execute(), "inference");
  }

  Sample outputs() const {
    Sample found;
    for (size_t i = 0; i < method_->outputs_size(); ++i) {
      const et::EValue& value = method_->get_output(i);
      if (!value.isTensor()) throw Refusal("output " + std::to_string(i) + " is not a tensor");
      found.push_back(array_of(value.toTensor(), i));
    }
    return found;
  }

 private:
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };

  void plan_memory(const et::MethodMeta& meta) {
    for (size_t i = 0; i < meta.num_memory_planned_buffers(); ++i) {
      const int64_t bytes = taken(meta.memory_planned_buffer_size(i), "planned memory");
      void* block = nullptr;
      // 64: a cache line, and the strictest alignment that kernels ask for
      if (bytes < 0 || posix_memalign(&block, 64, static_cast<size_t>(bytes) + 64) != 0)
        throw Refusal("it plans " + std::to_string(bytes) + " bytes of memory, which are not to be had");
      blocks_.emplace_back(block);
      spans_.emplace_back(static_cast<uint8_t*>(block), static_cast<size_t>(bytes));
    }
    planned_ = std::make_unique<et::HierarchicalAllocator>(et::Span<et::Span<uint8_t>>(spans_.data(), spans_.size()));
    manager_ = std::make_unique<et::MemoryManager>(&method_memory_, planned_.get(), &temporary_memory_);
  }

  void expect(const et::MethodMeta& meta) {
    for (size_t i = 0; i < meta.num_inputs(); ++i) {
      const et::TensorInfo info =
          taken(meta.input_tensor_meta(i), "input " + std::to_string(i) + " is not a tensor");
      const char* dtype = dtype_of(info.scalar_type());
      if (dtype == nullptr)
        throw Refusal("input " + std::to_string(i) + " has a dtype that arrays lack (ScalarType " +
                      std::to_string(static_cast<int>(info.scalar_type())) + ")");
      Expected one{dtype, info.scalar_type(), {}};
      for (const int32_t size : info.sizes()) one.largest.push_back(size);
      expected_.push_back(std::move(one));
    }
  }

  // Row by row in the order of the dimensions, whatever order the tensor lies in; bfloat16 as float32, as in Python.
  static Array array_of(const executorch::aten::Tensor& tensor, size_t index) {
    const int type = static_cast<int>(tensor.scalar_type());
    const char* dtype = type == kBFloat16 ? "float32" : dtype_of(tensor.scalar_type());
    if (dtype == nullptr) throw Refusal("output " + std::to_string(index) + " has a dtype that arrays lack");
    Array array;
    array.dtype = dtype;
    for (const int32_t size : tensor.sizes()) array.shape.push_back(size);
    const size_t item = static_cast<size_t>(tensor.element_size());
    const int64_t count = array.count();
    const auto* from = static_cast<const unsigned char*>(tensor.const_data_ptr());
    std::vector<unsigned char> bytes(static_cast<size_t>(count) * item);
    std::vector<int64_t> at(array.shape.size(), 0);
    for (int64_t i = 0; i < count; ++i) {
      int64_t offset = 0;
      for (size_t j = 0; j < at.size(); ++j) offset += at[j] * tensor.strides()[j];
      std::memcpy(bytes.data() + static_cast<size_t>(i) * item, from + static_cast<size_t>(offset) * item, item);
      for (size_t j = at.size(); j-- > 0;) {
        if (++at[j] < array.shape[j]) break;
        at[j] = 0;
      }
    }
    array.bytes = type == kBFloat16 ? widened(bytes) : std::move(bytes);
    return array;
  }

  static std::vector<unsigned char> widened(const std::vector<unsigned char>& halves) {
    std::vector<unsigned char> wide(halves.size() * 2, 0);
    for (size_t i = 0; i + 1 < halves.size(); i += 2) {
      wide[2 * i + 2] = halves[i];
      wide[2 * i + 3] = halves[i + 1];
    }
    return wide;
  }

  std::unique_ptr<executorch::extension::MmapDataLoader> loader_;
  std::unique_ptr<et::Program> program_;
  std::vector<std::unique_ptr<void, Free>> blocks_;
  std::vector<et::Span<uint8_t>> spans_;
  executorch::extension::MallocMemoryAllocator method_memory_, temporary_memory_;
  std::unique_ptr<et::HierarchicalAllocator> planned_;
  std::unique_ptr<et::MemoryManager> manager_;
  std::vector<Expected> expected_;
  std::unique_ptr<et::Method> method_;  // last: it goes before what it lies in
};

}  // namespace runner
