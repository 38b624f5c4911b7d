"""Mandarin scripts: everyday sentences in simplified characters."""

SLOTS = {
    "digit": "零 一 二 三 四 五 六 七 八 九",
    "some": "两 三 四 五 六 七 八 九 十",
    "ten": "二十 三十 四十 五十 六十 七十 八十 九十",
    "month": "一 二 三 四 五 六 七 八 九 十 十一 十二",
    "day": "一 二 三 四 五 六 七 八 九 十 十{some_day} 二十 二十{some_day}",
    "some_day": "一 二 三 四 五 六 七 八 九",
    "date": "{month}月{day}号 二零二{digit}年{month}月{day}号 {month}月{day}日",
    "hour": "一 两 三 四 五 六 七 八 九 十 十一 十二",
    "clock": "{hour}点 {hour}点半 {hour}点一刻 {hour}点{ten}分 {hour}点零五分 {hour}点四十五",
    "price": "{some}块 {ten}块 {some}百块 {some}块五毛 {some}千元 一百{ten}元",
    "weekday": "一 二 三 四 五 六 天",
    "past": "昨天 前天 上个月 上星期{weekday} 去年冬天 今天早上 昨天夜里 刚才 上个周末 去年夏天",
    "future": "明天 后天 下个月 下星期{weekday} 明年春天 今天晚上 明天下午 这个周末 秋天",
    "habit": "每天早上 平时 有时候 周末 晚饭以后 每个星期{weekday} 中午 常常 经常",
    "person": "妈妈 爸爸 爷爷 奶奶 哥哥 姐姐 弟弟 妹妹 叔叔 阿姨 外婆 姑姑 舅舅 儿子 女儿 孙子 丈夫 "
    "妻子 同事 同学 王老师 李医生 张经理 刘师傅 陈校长 小杨 老赵 小林 老周 表妹 房东",
    "folk": "{person} {person} {person} 我们 他们 她 他",
    "who": "你 您 你们 他 她 你妈妈 你爸爸 你弟弟 小杨 张经理 王老师",
    "city": "北京 上海 广州 成都 天津 西安 武汉 南京 重庆 青岛 香港 四川 山东 河北 湖南",
    "place": "公园 学校 超市 医院 银行 火车站 飞机场 饭店 商场 书店 电影院 动物园 菜市场 药店 "
    "洗手间 宾馆 地铁站 加油站",
    "go": "去银行取钱 去医院看病 去超市买菜 去电影院看电影 去商场买衣服 去湖边钓鱼 "
    "去药店买感冒药 去{city}旅行 去{city}出差 去{city}开会",
    "act": "看书 唱歌 跳舞 画画 写作业 做饭 洗衣服 听音乐 看电视 下棋 骑自行车 学英语 喝茶 浇花 "
    "包饺子 打电话 洗碗 遛狗 养鱼 写日记",
    "food": "面条 饺子 包子 牛肉 羊肉 鸡蛋 豆腐 青菜 黄瓜 白菜 鱼汤 火锅 鸡腿 茄子 糖醋鱼 炒饭 花生 月饼",
    "fruit": "苹果 香蕉 西瓜 橘子 桃子 梨 樱桃",
    "drink": "茶 牛奶 啤酒 果汁 开水 红酒 豆浆 绿茶 可乐 酸奶",
    "flavor": "甜 酸 辣 咸 苦 油腻",
    "taste": "甜 酸 香 好吃 新鲜",
    "goods": "一{thing} 一{thing} 一{thing} 一台冰箱 一套家具 一床被子 一台洗衣机 一辆自行车 "
    "一盏台灯 一把椅子 一束玫瑰花 一份礼物 一张桌子 一张沙发",
    "thing": "条裤子 双皮鞋 把雨伞 部手机 台电脑 块手表 件毛衣 个书包 个杯子 双筷子 台照相机 个箱子",
    "small": "雨伞 手机 护照 钥匙 钱包 作业",
    "color": "红色 黄色 蓝色 绿色 白色 黑色 灰色 紫色 粉色",
    "look": "漂亮 便宜 贵 结实 轻 重 旧 新 小 大 干净 特别",
    "bad": "贵 重 旧 小 大",
    "sad": "难过 生气 紧张 害怕 担心 着急 后悔",
    "feel": "高兴 难过 生气 紧张 害怕 激动 担心 着急 后悔",
    "trait": "热情 马虎 礼貌 细心 安静 年轻 懒 胖 瘦 高 矮",
    "job": "医生 护士 司机 警察 律师 工程师 厨师 记者 演员 工人 农民 画家 歌手 服务员",
    "ride": "坐地铁 坐飞机 坐火车 骑车 开车 走路 打车 坐高铁",
    "weather": "下雨 下雪 刮风 打雷 起雾 降温 下冰雹",
    "sky_ask": "怎么样 冷不冷 热不热 闷不闷 暖和吗 潮湿吗 凉快吗",
    "rain": "下雨 下雪 下冰雹 降温",
    "sky": "冷 热 暖和 凉快 潮湿 阴 闷",
    "pet": "猫 狗 兔子 鸟 金鱼 熊猫 老虎 猴子 大象 鸭子 马 牛 羊",
    "ill": "头疼 发烧 咳嗽 肚子疼 牙疼 嗓子疼 腰疼 感冒",
    "subject": "汉语 英语 物理 化学 地理 音乐 法律",
    "side": "左边 右边 前面 后面 对面 旁边 东边 西边 南边 北边",
    "degree": "很 非常 特别 真 比较 有点儿",
    "festival": "春节 中秋节 端午节 生日",
    "season": "春天 夏天 秋天 冬天 天气",
    "small_pet": "猫 狗 兔子 鸟 鸭子 小鸡",
    "relation": "姐姐 丈夫 妻子 舅舅 姑姑",
    "surname": "王 李 张 刘 陈 杨 赵 黄 周 孙 高 林 马",
    "scene": "日出 月亮 竹林 湖水 夜景",
    "body": "眼睛 头发 手指 脖子 腿 脚 脸",
    "feature": "眼睛又大又圆 头发又黑又长 手指又细又长 脸又圆又白",
    "event": "婚礼 音乐会 家长会 面试 演出",
}

SENTENCES = """
{past}{folk}{go}了。
{future}{folk}要{go}。
{future}我们一起{go}，好吗？
{folk}{habit}都{act}。
{habit}，我喜欢{act}。
{folk}正在{act}，请等一下。
{who}会不会{act}？
{who}喜欢{act}还是{act}？
别{act}了，快来吃饭！
吃完饭以后，我想{act}。
{person}{past}没有{act}，因为{ill}。
我{ill}，想请一天假。
{who}怎么了，是不是{ill}？
{future}会{rain}，记得带雨伞。
{past}{city}{weather}了。
{city}的{season}{sky_ask}？
{city}今天{degree}{sky}。
外面{weather}了，{person}还没回来。
今天的温度是{some}度，{degree}{sky}。
这{fruit}{degree}{taste}，你尝尝。
{fruit}多少钱一斤？
请给我来一份{food}，不要太{flavor}。
{person}做的{food}{degree}{taste}。
我不爱吃{food}，想吃{food}。
服务员，再来一份{food}和一杯{drink}。
早饭我吃了{food}，还喝了{drink}。
{who}想喝{drink}还是{drink}？
冰箱里有{food}、{fruit}和{drink}。
{past}我买了{goods}，花了{price}。
{person}想给{person}买{goods}。
这{thing}要{price}，能便宜一点儿吗？
那{thing}是{color}的，真{look}。
这{thing}太{bad}了，我不要。
{person}把那{thing}忘在{place}了。
我那{thing}不见了，你看见了吗？
请把那{thing}放在桌子上。
{person}送给我{goods}，我{degree}高兴。
{who}那{thing}是{color}的吗？
{place}在{place}的{side}。
从这儿到{place}要走{some}分钟。
我们{ride}去{place}吧。
{person}每天{ride}上班。
去{place}，{ride}最快。
{future}我{ride}去{city}。
火车{clock}从{city}出发。
飞机{clock}到{city}，别迟到。
现在{clock}，{person}还在{act}。
我们{clock}在{place}门口见面。
会议从{clock}开始，请准时参加。
{place}{clock}关门，快点儿走！
今天是{date}，星期{weekday}。
{person}的生日是{date}。
{date}是{person}的生日。
{date}我们要搬家。
考试的时间是{date}。
我的电话号码是一三{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}。
{person}的房间号是{digit}{digit}{digit}。
我家住在{some_day}楼，门牌号是{digit}{digit}{digit}。
我们班有{ten}个学生，{some}个老师。
{person}今年{ten}岁了。
我家有{some}口人。
{person}是{job}，在{city}工作。
{person}以前当过{job}。
我长大了想当{job}。
{who}的{relation}是{job}吗？
{person}又{trait}又{trait}。
{person}是个{trait}的人。
{who}觉得{person}{trait}吗？
听到这个消息，{person}{degree}{feel}。
{person}今天为什么这么{feel}？
别{sad}，一切都会好的。
看到{person}那么{feel}，我也{degree}{feel}。
{person}养了{some}只{small_pet}。
动物园里的{pet}真可爱！
孩子们最喜欢看{pet}和{pet}。
{person}在大学学{subject}。
{subject}比{subject}难多了。
{subject}考试我得了{ten}分。
{festival}快到了，{person}要回{city}。
{festival}那天，全家人一起吃{food}。
{person}结婚了，新家在{place}{side}。
{person}比我大{some}岁。
如果{future}不{weather}，我们就{go}。
你好，我姓{surname}，是新来的{job}。
对不起，我忘了带{small}。
{who}{past}去哪儿了？
{who}什么时候去{city}？
{city}的{scene}{degree}美。
{person}的{body}受伤了，不能{act}。
{person}的{feature}。
{person}{past}参加了{event}。
{event}{clock}开始，请安静。
"""
