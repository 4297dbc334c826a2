#include "baozi/value.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include <baozi/arguments.hpp>

namespace {

using baozi::Binary;
using baozi::DecodeError;
using baozi::pack;
using baozi::unpack;
using baozi::Value;

std::string json_error(std::string_view text) {
  try {
    (void)Value::from_json(text);
  } catch (const DecodeError& error) {
    return error.what();
  }
  return "taken";
}

TEST(Value, AnyValueComesBackFromMsgpackAndFromJson) {
  const Value value = Value::object({{"null", nullptr},
                                     {"yes", true},
                                     {"low", INT64_MIN},
                                     {"high", UINT64_MAX},
                                     {"real", 2.5},
                                     {"text", "päckchen"},
                                     {"list", Value::array({1, "two", Value::array()})},
                                     {"map", Value::object({{"k", 1}})}});
  EXPECT_EQ(unpack<Value>(pack(value)), value);
  EXPECT_EQ(Value::from_json(value.to_json()), value);
  EXPECT_EQ(Value::from_json(value.to_json(2)), value);
}

TEST(Value, WholeNumbersHaveOneForm) {
  EXPECT_EQ(Value{3U}, Value{3});
  EXPECT_EQ(Value{std::uint64_t{3}}, Value{std::int8_t{3}});
  EXPECT_NE(Value{3}, Value{3.0});
  EXPECT_TRUE(Value{UINT64_MAX}.is_integer());
}

TEST(Value, ItConvertsToAndFromWhateverHasACodec) {
  const Value value = Value::of(std::map<std::string, std::vector<int>>{{"a", {1, 2}}});
  EXPECT_EQ(value.at("a").at(1).to<int>(), 2);
  EXPECT_EQ((value.to<std::map<std::string, std::vector<int>>>()["a"]), (std::vector<int>{1, 2}));
  EXPECT_THROW((void)value.to<int>(), DecodeError);
}

TEST(Value, WhatIsNotThereIsNamed) {
  const Value value = Value::object({{"a", 1}});
  EXPECT_EQ(value.find("b"), nullptr);
  EXPECT_EQ(Value{3}.find("b"), nullptr);
  EXPECT_THROW((void)value.at("b"), DecodeError);
  EXPECT_THROW((void)Value::array({1}).at(std::size_t{1}), DecodeError);
  EXPECT_THROW((void)value.as_string(), DecodeError);
  EXPECT_EQ(value.size(), 1u);
  Value made;
  made["x"]["y"] = 1;
  EXPECT_EQ(made.to_json(), R"({"x":{"y":1}})");
}

TEST(Value, JsonHasNoBytesNoInfinityAndNoBrokenText) {
  EXPECT_EQ(Value{Binary{"any carnal pleas"}}.to_json(), "\"YW55IGNhcm5hbCBwbGVhcw==\"");
  EXPECT_EQ(Value{Binary{"any carnal pleasu"}}.to_json(), "\"YW55IGNhcm5hbCBwbGVhc3U=\"");
  EXPECT_EQ(Value{Binary{"any carnal pleasur"}}.to_json(), "\"YW55IGNhcm5hbCBwbGVhc3Vy\"");
  EXPECT_EQ(Value{INFINITY}.to_json(), "null");
  EXPECT_EQ(Value{"a\xFF"}.to_json(), "\"a\xEF\xBF\xBD\"");
}

TEST(Value, BadJsonIsRefusedWithItsPlace) {
  EXPECT_NE(json_error("{\"a\":").find("line 1, column 6"), std::string::npos)
      << json_error("{\"a\":");
  EXPECT_EQ(json_error(std::string(100'000, '[')), "JSON: nested too deeply");
  EXPECT_NE(json_error("1 2"), "taken");
  EXPECT_NE(json_error(""), "taken");
  EXPECT_NE(json_error("1e999"), "taken");
}

TEST(Value, TheDeepestJsonThatIsTakenCanBePackedAndReadAgain) {
  const std::string deepest = std::string(32, '[') + std::string(32, ']');
  const Value value = Value::from_json(deepest);
  EXPECT_EQ(unpack<Value>(pack(value)).to_json(), deepest);
}

TEST(Value, NumbersAsKeysBecomeText) {
  const std::string packed = pack(std::map<int, std::string>{{-7, "x"}});
  EXPECT_EQ(unpack<Value>(packed), Value::object({{"-7", "x"}}));
}

TEST(Value, AnExtensionTypeIsRefused) {
  EXPECT_THROW((void)unpack<Value>(std::string{"\xD4\x01\x00", 3}), DecodeError);
}

TEST(Arguments, ABodyIsPositionalAndNamedArguments) {
  const auto body =
      unpack<Value>(baozi::pack_body(1, "two", baozi::arg("c") = 3.5, baozi::arg("d")));
  EXPECT_EQ(body,
            Value::array({Value::array({1, "two"}), Value::object({{"c", 3.5}, {"d", nullptr}})}));
  EXPECT_EQ(unpack<Value>(baozi::pack_body()), Value::array({Value::array(), Value::object()}));
}

}  // namespace
