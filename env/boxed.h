// env/boxed.h: a value on the heap, or none.
//
// For large parts that few objects of a type have: the others are small, and
// cheap to move. A box is copied and compared by its value.
#ifndef QUORATE_ENV_BOXED_H_
#define QUORATE_ENV_BOXED_H_

#include <memory>
#include <utility>

#include "env/check.h"

namespace quorate {

template <typename T>
class Boxed {
 public:
  Boxed() = default;
  explicit Boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}
  Boxed(const Boxed& other) : value_(Copy(other)) {}
  Boxed(Boxed&& other) noexcept = default;
  Boxed& operator=(const Boxed& other) {
    value_ = Copy(other);
    return *this;
  }
  Boxed& operator=(Boxed&& other) noexcept = default;

  bool has_value() const { return value_ != nullptr; }
  // Requires: has_value().
  const T& operator*() const {
    CHECK(has_value());
    return *value_;
  }
  const T* operator->() const { return &**this; }
  T& operator*() {
    CHECK(has_value());
    return *value_;
  }
  T* operator->() { return &**this; }
  void reset() { value_.reset(); }
  // Puts a T() on the heap if there is none.
  T& Mutable() {
    if (value_ == nullptr) value_ = std::make_unique<T>();
    return *value_;
  }

  friend bool operator==(const Boxed& a, const Boxed& b) {
    if (!a.has_value() || !b.has_value()) return a.value_ == b.value_;
    return *a == *b;
  }

 private:
  static std::unique_ptr<T> Copy(const Boxed& other) {
    return other.value_ == nullptr ? nullptr
                                   : std::make_unique<T>(*other.value_);
  }

  std::unique_ptr<T> value_;
};

}  // namespace quorate

#endif  // QUORATE_ENV_BOXED_H_
