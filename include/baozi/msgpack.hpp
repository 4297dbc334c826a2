/// \file msgpack.hpp
/// Types that already say MSGPACK_DEFINE (msgpack-c for C++), as arguments and results of tasks.
/// Nothing else of baozi includes this file: msgpack-c costs a second of every compile. Include it
/// after, or instead of, your own `#include <msgpack.hpp>`. Safety: msgpack-c gets limits that keep
/// nested or huge input from exhausting memory.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>

#include <msgpack.hpp>

#include <baozi/codec.hpp>

namespace baozi {

namespace detail {
/// What msgpack-c's packer writes to.
class MsgpackSink {
 public:
  explicit MsgpackSink(Writer& out) : out_{out} {}
  void write(const char* data, std::size_t size) { out_.raw({data, size}); }

 private:
  Writer& out_;
};

template <class T>
concept MsgpackDefined =
    !Fielded<T> && requires(const T& value, T& target, msgpack::packer<MsgpackSink>& packer,
                            const msgpack::object& object) {
  value.msgpack_pack(packer);
  target.msgpack_unpack(object);
};
}  // namespace detail

template <detail::MsgpackDefined T>
struct Codec<T> {
  static void pack(Writer& out, const T& value) {
    detail::MsgpackSink sink{out};
    msgpack::packer<detail::MsgpackSink> packer{sink};
    value.msgpack_pack(packer);
  }
  static T unpack(Unpacker& in) {
    const std::string_view bytes = in.skip();  // bounds, counts and depth are checked here
    const std::size_t most = bytes.size();
    try {
      const msgpack::object_handle handle =
          msgpack::unpack(bytes.data(), bytes.size(), nullptr, nullptr,
                          msgpack::unpack_limit{most, most, most, most, most,
                                                static_cast<std::size_t>(Unpacker::depth_max)});
      T value{};
      value.msgpack_unpack(handle.get());
      return value;
    } catch (const msgpack::type_error&) {
      in.fail("does not fit the type that MSGPACK_DEFINE describes");
    } catch (const msgpack::unpack_error& why) {
      in.fail(why.what());
    }
  }
};

}  // namespace baozi
