// Arrays: NumPy's .npy records, one after the other, in a file that the caller holds open as well (arrays.py).
// Refuses objects, Fortran order, other byte orders, and records whose shape and bytes contradict each other.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace arrays {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Kind {
  const char* descr;
  const char* name;
  size_t bytes;
};

// What ExecuTorch has and NumPy has too. numpy.dtype.str on one side, the manifest's word on the other.
inline constexpr Kind kKinds[] = {
    {"|u1", "uint8", 1},   {"|i1", "int8", 1},    {"<i2", "int16", 2},   {"<i4", "int32", 4}, {"<i8", "int64", 8},
    {"<f2", "float16", 2}, {"<f4", "float32", 4}, {"<f8", "float64", 8}, {"|b1", "bool", 1},
};

inline const Kind* kind_called(const std::string& name) {
  for (const Kind& kind : kKinds)
    if (name == kind.name) return &kind;
  return nullptr;
}

struct Array {
  std::string dtype;  // NumPy's name where it is one of kKinds, else what the record says
  std::vector<int64_t> shape;
  std::vector<unsigned char> bytes;

  int64_t count() const {
    int64_t product = 1;
    for (const int64_t size : shape) product *= size;
    return product;
  }
};

using Sample = std::vector<Array>;

// `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 10), }` and nothing else, as numpy.lib.format writes it.
class Header {
 public:
  explicit Header(std::string text) : text_(std::move(text)) {}

  Array read(size_t* item_bytes) {
    Array array;
    need("{'descr': '");
    const size_t end = text_.find('\'', at_);
    if (end == std::string::npos) throw Error("an array's dtype is not plain");
    const std::string descr = text_.substr(at_, end - at_);
    at_ = end;
    need("', 'fortran_order': ");
    if (text_.compare(at_, 4, "True") == 0) throw Error("an array in Fortran order");
    need("False, 'shape': (");
    while (text_[at_] >= '0' && text_[at_] <= '9') {
      int64_t size = 0;
      for (; text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        size = size * 10 + (text_[at_] - '0');
        if (size > (int64_t{1} << 40)) throw Error("an array of an absurd size");
      }
      array.shape.push_back(size);
      if (text_[at_] == ',') ++at_;
      if (text_[at_] == ' ') ++at_;
    }
    need("), }");
    array.dtype = descr;
    *item_bytes = 0;
    for (const Kind& kind : kKinds)
      if (descr == kind.descr) {
        array.dtype = kind.name;
        *item_bytes = kind.bytes;
      }
    if (*item_bytes == 0) *item_bytes = other(descr);
    return array;
  }

 private:
  void need(const std::string& part) {
    if (text_.compare(at_, part.size(), part) != 0) throw Error("a record that numpy did not write: " + text_);
    at_ += part.size();
  }

  // uint16 and the like: no input is one, but the refusal should come from the model's own description.
  static size_t other(const std::string& descr) {
    const bool plain = descr.size() >= 3 && (descr[0] == '<' || descr[0] == '|') && descr.find('O') == std::string::npos;
    const int bytes = plain ? std::atoi(descr.c_str() + 2) : 0;
    if (bytes <= 0 || descr[1] == 'U') throw Error("an array of dtype " + descr);
    return static_cast<size_t>(bytes);
  }

  std::string text_;
  size_t at_ = 0;
};

class File {
 public:
  explicit File(int descriptor) : fd_(descriptor) {}

  // Every sample's arrays; the file must hold exactly these.
  std::vector<Sample> read(int64_t samples, int64_t tensors) {
    struct stat about {};
    if (fstat(fd_, &about) != 0) throw Error(std::string("the input file: ") + std::strerror(errno));
    left_ = about.st_size;
    offset_ = 0;
    std::vector<Sample> found;
    for (int64_t i = 0; i < samples; ++i) {
      Sample sample;
      for (int64_t j = 0; j < tensors; ++j) sample.push_back(one());
      found.push_back(std::move(sample));
    }
    if (left_ != 0) throw Error("more arrays than were announced");
    return found;
  }

  void write(const std::vector<Sample>& samples) {
    empty();
    for (const Sample& sample : samples)
      for (const Array& array : sample) {
        const std::string head = header(array);
        put(head.data(), head.size());
        put(array.bytes.data(), array.bytes.size());
      }
  }

  // What is no arrays: the file holds these bytes and nothing else.
  void write(const std::string& bytes) {
    empty();
    put(bytes.data(), bytes.size());
  }

 private:
  void empty() {
    if (lseek(fd_, 0, SEEK_SET) != 0 || ftruncate(fd_, 0) != 0)
      throw Error(std::string("the output file: ") + std::strerror(errno));
  }

  Array one() {
    unsigned char start[10];
    get(start, sizeof start);
    if (std::memcmp(start, "\x93NUMPY\x01\x00", 8) != 0) throw Error("a record that is no .npy of version 1");
    std::string text(static_cast<size_t>(start[8]) | static_cast<size_t>(start[9]) << 8, '\0');
    get(text.data(), text.size());
    size_t item_bytes = 0;
    Array array = Header(text).read(&item_bytes);
    int64_t bytes = static_cast<int64_t>(item_bytes);
    for (const int64_t size : array.shape)
      if (__builtin_mul_overflow(bytes, size, &bytes)) throw Error("an array of an absurd size");
    if (bytes > left_) throw Error("an array is cut short");
    array.bytes.resize(static_cast<size_t>(bytes));
    get(array.bytes.data(), array.bytes.size());
    return array;
  }

  void get(void* to, size_t bytes) {
    if (static_cast<int64_t>(bytes) > left_) throw Error("fewer arrays than were announced");
    auto* at = static_cast<char*>(to);
    left_ -= static_cast<int64_t>(bytes);
    while (bytes > 0) {
      const ssize_t done = pread(fd_, at, bytes, offset_);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) throw Error(std::string("the input file: ") + (done < 0 ? std::strerror(errno) : "cut short"));
      at += done;
      offset_ += done;
      bytes -= static_cast<size_t>(done);
    }
  }

  void put(const void* from, size_t bytes) {
    const auto* at = static_cast<const char*>(from);
    while (bytes > 0) {
      const ssize_t done = ::write(fd_, at, bytes);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) throw Error(std::string("the output file: ") + std::strerror(errno));
      at += done;
      bytes -= static_cast<size_t>(done);
    }
  }

  static std::string header(const Array& array) {
    const Kind* kind = kind_called(array.dtype);
    if (kind == nullptr) throw Error("an output of dtype " + array.dtype);
    std::string shape;
    for (const int64_t size : array.shape) shape += std::to_string(size) + ", ";
    if (array.shape.size() > 1) shape.resize(shape.size() - 2);
    if (array.shape.size() == 1) shape.resize(shape.size() - 1);
    std::string text =
        "{'descr': '" + std::string(kind->descr) + "', 'fortran_order': False, 'shape': (" + shape + "), }";
    text.resize((10 + text.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
    text += '\n';
    std::string head("\x93NUMPY\x01\x00", 8);
    head += static_cast<char>(text.size() & 0xFF);
    head += static_cast<char>(text.size() >> 8);
    return head + text;
  }

  int fd_;
  int64_t left_ = 0;
  off_t offset_ = 0;
};

}  // namespace arrays
