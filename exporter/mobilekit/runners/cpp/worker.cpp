// The native worker: what mobilekit/runners/worker.py is, without Python between the clock and the kernel.
//
//     mobilekit_runner [--emulated] [--count] THREADS REQUESTS REPLIES LIFELINE INPUTS OUTPUTS
//
// LIFELINE - : there is none, and it ends when no more requests come.
// Speaks the protocol of protocol.py on the descriptors that it is given. What libraries print goes to 1 and 2, which
// are its log. Ends with its caller. With --count it reads the instruction count that count.c keeps; --emulated says
// that the machine's own figures (memory) would be the emulator's. mobilekit_counter is the same program with another
// clock (clock.h): its profile counts instructions.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "arrays.h"
#include "json.h"
#include "profile.h"
#include "program.h"

namespace {

using arrays::Array;
using arrays::Sample;
using json::Fields;
using json::Value;
using runner::Refusal;
using runner::Session;

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int64_t preemptions() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

template <class Number>
std::string joined(const std::vector<Number>& numbers) {
  std::string text;
  for (const Number number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

// memory.py's figure: the kernel's peak of resident memory, reset when made, above the level then.
class PeakMemory {
 public:
  PeakMemory() {
    std::ofstream clear("/proc/self/clear_refs");
    clear << "5" << std::flush;
    resettable_ = clear.good();
    level_ = status("VmRSS:");
  }

  std::optional<int64_t> bytes() const {
    const int64_t peak = status("VmHWM:");
    if (!resettable_ || peak == 0) return std::nullopt;
    return peak > level_ ? peak - level_ : 0;
  }

 private:
  static int64_t status(const std::string& field) {
    std::ifstream file("/proc/self/status");
    std::string word;
    while (file >> word)
      if (word == field) {
        int64_t kilobytes = 0;
        file >> kilobytes;
        return kilobytes * 1024;
      }
    return 0;
  }

  bool resettable_ = false;
  int64_t level_ = 0;
};

// Which of a sample's tensors is cut, along which axis, into pieces of how many frames: stream.py's Feed.
class Feed {
 public:
  explicit Feed(const Value& value) {
    Fields fields(value, "feed");
    sequence_ = static_cast<size_t>(fields.whole("sequence", 0));
    axis_ = static_cast<size_t>(fields.whole("axis", 0));
    frames_ = fields.whole("frames", 1);
    for (const Value& one : fields.list("states")) {
      Fields state(one, "state");
      State found;
      found.output = static_cast<size_t>(state.whole("output", 0));
      for (const Value& size : state.list("shape")) {
        if (size.kind != json::Kind::integer || size.integer < 1) throw json::Error("state.shape holds sizes");
        found.initial.shape.push_back(size.integer);
      }
      found.initial.dtype = state.text("dtype");
      fill(found.initial, state.real("initial"));
      state.done();
      states_.push_back(std::move(found));
    }
    fields.done();
  }

  // Every output of every call: one array per output, (calls, *shape).
  Sample run(Session& session, const Sample& sample) const {
    if (sequence_ >= sample.size() || axis_ >= sample[sequence_].shape.size())
      throw Refusal("the sample has no tensor and axis to cut");
    const int64_t length = sample[sequence_].shape[axis_];
    if (length % frames_ != 0)
      throw Refusal(std::to_string(length) + " frames cannot be fed in pieces of " + std::to_string(frames_));
    Sample states, stacked;
    for (const State& state : states_) states.push_back(state.initial);
    for (int64_t call = 0; call < length / frames_; ++call) {
      Sample inputs = sample;
      inputs[sequence_] = piece(sample[sequence_], call);
      inputs.insert(inputs.end(), states.begin(), states.end());
      session.call(session.bind(std::move(inputs)));
      const Sample outputs = session.outputs();
      for (size_t i = 0; i < states_.size(); ++i) {
        if (states_[i].output >= outputs.size()) throw Refusal("a state comes from an output that is not there");
        states[i] = outputs[states_[i].output];
      }
      stack(stacked, outputs);
    }
    return stacked;
  }

 private:
  struct State {
    size_t output = 0;
    Array initial;
  };

  template <class T>
  static void repeat(Array& array, double value) {
    const T item = static_cast<T>(value);
    const auto* from = reinterpret_cast<const unsigned char*>(&item);
    for (int64_t i = 0; i < array.count(); ++i) array.bytes.insert(array.bytes.end(), from, from + sizeof(T));
  }

  static void fill(Array& array, double value) {
    if (array.dtype == "float32") return repeat<float>(array, value);
    if (array.dtype == "float64") return repeat<double>(array, value);
    if (array.dtype == "int64") return repeat<int64_t>(array, value);
    if (array.dtype == "int32") return repeat<int32_t>(array, value);
    if (array.dtype == "int8") return repeat<int8_t>(array, value);
    if (array.dtype == "uint8") return repeat<uint8_t>(array, value);
    const auto* kind = arrays::kind_called(array.dtype);
    if (kind == nullptr || value != 0) throw Refusal("a state of dtype " + array.dtype + " can only begin at 0");
    array.bytes.assign(static_cast<size_t>(array.count()) * kind->bytes, 0);
  }

  Array piece(const Array& whole, int64_t call) const {
    Array part;
    part.dtype = whole.dtype;
    part.shape = whole.shape;
    part.shape[axis_] = frames_;
    int64_t outer = 1;
    for (size_t i = 0; i < axis_; ++i) outer *= whole.shape[i];
    if (outer == 0 || whole.bytes.empty()) return part;
    const size_t row = whole.bytes.size() / static_cast<size_t>(outer);
    const size_t step = row / static_cast<size_t>(whole.shape[axis_]) * static_cast<size_t>(frames_);
    for (size_t i = 0; i < static_cast<size_t>(outer); ++i) {
      const auto* from = whole.bytes.data() + i * row + static_cast<size_t>(call) * step;
      part.bytes.insert(part.bytes.end(), from, from + step);
    }
    return part;
  }

  static void stack(Sample& stacked, const Sample& outputs) {
    if (stacked.empty()) {
      for (const Array& output : outputs) {
        Array column{output.dtype, output.shape, {}};
        column.shape.insert(column.shape.begin(), 0);
        stacked.push_back(std::move(column));
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::vector<int64_t> before(stacked[i].shape.begin() + 1, stacked[i].shape.end());
      if (before != outputs[i].shape) throw Refusal("an output changed its shape from one call to the next");
      stacked[i].shape[0] += 1;
      stacked[i].bytes.insert(stacked[i].bytes.end(), outputs[i].bytes.begin(), outputs[i].bytes.end());
    }
  }

  size_t sequence_ = 0, axis_ = 0;
  int64_t frames_ = 1;
  std::vector<State> states_;
};

struct Effort {
  explicit Effort(const Value& value) {
    Fields fields(value, "effort");
    warmup = fields.whole("warmup", 0);
    min_runs = fields.whole("min_runs", 1);
    min_seconds = fields.real("min_seconds");
    max_runs = fields.whole("max_runs", 1);
    max_seconds = fields.real("max_seconds");
    fields.done();
  }

  int64_t warmup, min_runs, max_runs;
  double min_seconds, max_seconds;
};

class Served {
 public:
  Served(int threads, int inputs, int outputs, bool emulated, const volatile uint64_t* counter)
      : threads_(threads), inputs_(inputs), outputs_(outputs), emulated_(emulated), counter_(counter) {}

  std::string answer(const std::string& line) {
    const Value request = json::Reader(line).read();
    Fields fields(request, "request");
    const std::string kind = fields.text("kind");
    if (kind == "load") return load(fields);
    if (kind == "run") return run(fields);
    if (kind == "time") return time(fields);
    if (kind == "count") return count(fields);
    if (kind == "profile") return profile(fields);
    if (kind == "memory") return memory(fields);
    throw json::Error("unknown request " + kind);
  }

 private:
  std::string load(Fields& fields) {
    const std::string path = fields.text("artifact");
    const int64_t threads = fields.whole("threads", 1);
    fields.done();
    if (threads != threads_) throw Refusal("it was started for " + std::to_string(threads_) + " threads");
    session_.reset();
    memory_.emplace();
    const int64_t start = now();
    session_ = std::make_unique<Session>(path);
    path_ = path;
    return "{\"kind\":\"loaded\",\"load_ms\":" + std::to_string(static_cast<double>(now() - start) / 1e6) + "}";
  }

  std::string run(Fields& fields) {
    const int64_t samples = fields.whole("samples", 1), tensors = fields.whole("tensors", 0);
    const Value feed = fields.take("feed");
    fields.done();
    Session& session = loaded();
    std::optional<Feed> fed;
    if (feed.kind != json::Kind::null) fed.emplace(feed);
    std::vector<Sample> results;
    for (Sample& sample : inputs_.read(samples, tensors)) {
      if (fed) {
        results.push_back(fed->run(session, sample));
      } else {
        session.call(session.bind(std::move(sample)));
        results.push_back(session.outputs());
      }
    }
    outputs_.write(results);
    return "{\"kind\":\"ran\",\"tensors\":" + std::to_string(results[0].size()) + "}";
  }

  // worker.py's `timed`, step by step: warm-up may take a quarter of the time, but one run at least.
  std::string time(Fields& fields) {
    const int64_t tensors = fields.whole("tensors", 0);
    const Effort effort(fields.take("effort"));
    fields.done();
    Session& session = loaded();
    const runner::Inputs inputs = session.bind(std::move(inputs_.read(1, tensors)[0]));
    int64_t warmed = 0, start = now();
    while (warmed < effort.warmup &&
           (warmed == 0 || static_cast<double>(now() - start) < effort.max_seconds * 1e9 / 4)) {
      session.call(inputs);
      ++warmed;
    }
    std::vector<int64_t> taken;
    const int64_t taken_away = preemptions();
    start = now();
    while (true) {
      const int64_t before = now();
      session.call(inputs);
      const int64_t after = now();
      taken.push_back(after - before);
      const double spent = static_cast<double>(after - start) / 1e9;
      const auto runs = static_cast<int64_t>(taken.size());
      const bool enough = runs >= effort.min_runs && spent >= effort.min_seconds;
      if (enough || runs >= effort.max_runs || spent >= effort.max_seconds) break;
    }
    const int64_t lost = preemptions() - taken_away;
    return "{\"kind\":\"timed\",\"nanoseconds\":[" + joined(taken) + "],\"warmup\":" + std::to_string(warmed) +
           ",\"preemptions\":" + std::to_string(lost) + "}";
  }

  std::string count(Fields& fields) {
    const int64_t tensors = fields.whole("tensors", 0), warmup = fields.whole("warmup", 0);
    const int64_t runs = fields.whole("runs", 1);
    fields.done();
    if (counter_ == nullptr) throw Refusal("instructions are counted by the emulator, and this is none");
    Session& session = loaded();
    const runner::Inputs inputs = session.bind(std::move(inputs_.read(1, tensors)[0]));
    for (int64_t i = 0; i < warmup; ++i) session.call(inputs);
    std::vector<uint64_t> counts(static_cast<size_t>(runs));
    for (uint64_t& one : counts) {
      const uint64_t before = *counter_;
      session.call(inputs);
      one = *counter_ - before;
    }
    return "{\"kind\":\"counted\",\"instructions\":[" + joined(counts) + "]}";
  }

  std::string profile(Fields& fields) {
    const int64_t tensors = fields.whole("tensors", 0), warmup = fields.whole("warmup", 0);
    const int64_t runs = fields.whole("runs", 1);
    fields.done();
    if (emulated_ && counter_ == nullptr) throw Refusal("its times would be the emulator's");
    loaded();
    const std::string dump = runner::profiled(path_, std::move(inputs_.read(1, tensors)[0]), warmup + runs, counter_);
    outputs_.write(dump);
    return "{\"kind\":\"profiled\",\"bytes\":" + std::to_string(dump.size()) + "}";
  }

  std::string memory(Fields& fields) {
    fields.done();
    const std::optional<int64_t> bytes = memory_ && !emulated_ ? memory_->bytes() : std::nullopt;
    return "{\"kind\":\"memory\",\"peak_bytes\":" + (bytes ? std::to_string(*bytes) : "null") + "}";
  }

  Session& loaded() {
    if (!session_) throw Refusal("no artifact is loaded");
    return *session_;
  }

  int threads_;
  arrays::File inputs_, outputs_;
  bool emulated_;
  const volatile uint64_t* counter_;
  std::string path_;
  std::unique_ptr<Session> session_;
  std::optional<PeakMemory> memory_;
};

std::string refused(const std::string& message) {
  return "{\"kind\":\"refused\",\"message\":" + json::quoted(message) + ",\"hint\":null}";
}

void send(int descriptor, std::string reply) {
  std::fflush(nullptr);  // what was printed belongs to this request's part of the log
  reply += '\n';
  size_t done = 0;
  while (done < reply.size()) {
    const ssize_t wrote = write(descriptor, reply.data() + done, reply.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) _exit(0);  // the caller is gone
    done += static_cast<size_t>(wrote);
  }
}

// One line without its newline; false at the end.
bool receive(int descriptor, std::string& unread, std::string& line) {
  size_t end;
  while ((end = unread.find('\n')) == std::string::npos) {
    char part[1 << 16];
    const ssize_t got = read(descriptor, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    unread.append(part, static_cast<size_t>(got));
  }
  line = unread.substr(0, end);
  unread.erase(0, end + 1);
  return true;
}

// Nothing is ever sent on it: a read returns when the caller is gone, however it went.
void end_with_caller(int lifeline) {
  std::thread([lifeline] {
    char nothing;
    while (read(lifeline, &nothing, 1) < 0 && errno == EINTR) {
    }
    _exit(0);
  }).detach();
}

// The page that count.c counts in: it is among this process's open files.
const volatile uint64_t* find_counter() {
  constexpr int kMost = 4096;
  for (int descriptor = 3; descriptor < kMost; ++descriptor) {
    char target[64] = "";
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    if (readlink(link.c_str(), target, sizeof target - 1) <= 0) continue;
    if (std::string(target).find("memfd:mobilekit-count") == std::string::npos) continue;
    void* page = mmap(nullptr, sizeof(uint64_t), PROT_READ, MAP_SHARED, descriptor, 0);
    return page == MAP_FAILED ? nullptr : static_cast<const volatile uint64_t*>(page);
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bool emulated = false, counted = false;
  int next = 1;
  for (; next < argc && argv[next][0] == '-'; ++next) {
    const std::string option = argv[next];
    if (option == "--emulated") {
      emulated = true;
    } else if (option == "--count") {
      counted = true;
    } else {
      std::fprintf(stderr, "unknown option %s\n", option.c_str());
      return 2;
    }
  }
  if (argc - next != 6) {
    std::fprintf(stderr, "mobilekit starts this program: it takes THREADS and five descriptors\n");
    return 2;
  }
  int number[6];
  for (int i = 0; i < 6; ++i) number[i] = std::string(argv[next + i]) == "-" ? -1 : std::atoi(argv[next + i]);
  const auto [threads, requests, replies, lifeline, inputs, outputs] = number;
  for (int i = 1; i < 6; ++i) fcntl(number[i], F_SETFD, FD_CLOEXEC);
  signal(SIGINT, SIG_IGN);  // Ctrl-C is the caller's to handle
  signal(SIGPIPE, SIG_IGN);
  const struct rlimit none {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  // A damaged file may ask for terabytes: no more than the machine has.
  struct rlimit data = {};
  const rlim_t machine = rlim_t(sysconf(_SC_PAGESIZE)) * rlim_t(sysconf(_SC_PHYS_PAGES));
  if (getrlimit(RLIMIT_DATA, &data) == 0 && (data.rlim_max == RLIM_INFINITY || machine < data.rlim_max)) {
    data.rlim_cur = data.rlim_max = machine;
    setrlimit(RLIMIT_DATA, &data);
  }
  if (lifeline >= 0) end_with_caller(lifeline);

  const volatile uint64_t* counter = counted ? find_counter() : nullptr;
  if (counted && counter == nullptr) {
    send(replies, refused("the emulator's plug-in does not count instructions"));
    return 0;
  }
  runner::prepare(threads);
  send(replies, "{\"kind\":\"ready\"}");
  Served served(threads, inputs, outputs, emulated, counter);
  std::string unread, line;
  while (receive(requests, unread, line)) {
    std::string reply;
    try {
      reply = served.answer(line);
    } catch (const std::bad_alloc&) {
      reply = refused("it asks for more memory than there is");
    } catch (const std::exception& error) {
      reply = refused(error.what());
    }
    send(replies, reply);
  }
  return 0;
}
