"""Tianjin scripts: what people in Tianjin say, in simplified characters with Tianjin words."""

SLOTS = {
    "digit": "零 一 二 三 四 五 六 七 八 九",
    "some": "两 三 四 五 六 七 八 九 十",
    "ten": "二十 三十 四十 五十 六十 七十 八十 九十",
    "month": "一 二 三 四 五 六 七 八 九 十 十一 十二",
    "unit": "一 二 三 四 五 六 七 八 九",
    "day": "{unit} 十 十{unit} 二十 二十{unit}",
    "date": "{month}月{day}号 二零二{digit}年{month}月{day}号",
    "hour": "一 两 三 四 五 六 七 八 九 十 十一 十二",
    "clock": "{hour}点 {hour}点半 {hour}点一刻 {hour}点{ten}分",
    "price": "{some}块 {ten}块 {some}百块 {some}块五毛 {some}千块",
    "cheap": "{some}块 {some}块五 十{unit}块",
    "weekday": "一 二 三 四 五 六 天",
    "past": "昨天 前天 上礼拜{weekday} 去年 昨天晚上 刚才 今天早晨 上个月",
    "future": "明天 后天 下礼拜{weekday} 今天晚上 明天晌午 过年 礼拜天 回头 下个月",
    "habit": "天天 平时 没事就 礼拜天 吃完饭 一早 老爱",
    "person": "我妈 我爸 我爷爷 我奶奶 姥姥 姥爷 我哥 姐姐 我弟弟 老姑 二大爷 二伯 老舅 三姨 孙子 "
    "闺女 儿媳妇 王姐 李大爷 张师傅 小刘 老赵 同事",
    "folk": "{person} {person} {person} 我们 他们",
    "who": "您了 您 你 你们 他 姐姐 李大爷 小刘 二伯",
    "call": "姐姐 大爷 师傅 您了 老板 哥哥 大姐 伯伯",
    "city": "天津 北京 静海 武清 津南 西青 唐山 青岛",
    "place": "鼓楼 古文化街 五大道 食品街 南市 海河边 水上公园 西北角 火车站 菜市场 茶馆 医院 银行 学校",
    "go": "去茶馆听相声 去海河边遛弯儿 去西北角吃早点 去菜市场买菜 去古文化街看泥人 "
    "去五大道骑车 去银行取钱 去医院瞧病 去接孩子 去钓鱼 去{city}玩儿",
    "act": "听相声 遛弯儿 熬鱼 包饺子 下象棋 喝茶 洗衣裳 遛鸟 说快板 唱京剧 写作业 看电视 逗孩子 "
    "做饭 钓鱼 放风筝 养花 浇花 打电话",
    "food": "煎饼馃子 狗不理包子 十八街麻花 锅巴菜 豆腐脑 老豆腐 炸酱面 熬鱼 面茶 茶汤 烧饼 饺子 "
    "八大碗 羊汤 大饼鸡蛋 豆浆 牛肉烧饼 茄子",
    "fruit": "苹果 鸭梨 桃子 西瓜 橘子",
    "drink": "茶 豆浆 啤酒 白酒 酸梅汤 汽水 花茶 牛奶",
    "taste": "香 脆 鲜 甜 咸 酸 嫩 好吃 地道",
    "goods": "一{thing} 一{thing} 一个泥人 一张年画 一盒麻花 一盏灯笼",
    "thing": "件衣裳 双鞋 条裤子 把伞 个风筝 辆自行车 部手机 块手表 串钥匙 个钱包 把扇子 个书包",
    "color": "红色 黄色 蓝色 绿色 白色 黑色 灰色 紫色",
    "look": "好看 漂亮 便宜 新 旧 大 小 结实 干净 沉 轻",
    "bad": "贵 旧 大 小 沉",
    "feel": "高兴 乐呵 着急 害怕 难受 生气 激动 腻歪 痛快 美 心疼 别扭",
    "sad": "着急 害怕 难受 生气 腻歪 心疼 别扭 上火",
    "trait": "哏儿 逗 实在 热心 勤快 懒 胖 瘦 高 矮 老实",
    "job": "医生 护士 司机 厨师 警察 老师 记者 工人 演员 律师 工程师",
    "ride": "坐地铁 坐公交车 骑车 开车 腿儿着 坐火车 打车 坐船 坐城铁",
    "weather": "下雨 下雪 刮风 打雷 起雾 降温 下雹子",
    "sky_ask": "冷不冷 热不热 闷不闷 潮不潮 凉快吗",
    "sky": "冷 热 凉快 闷 潮 暖和 干",
    "ill": "脑袋疼 肚子疼 咳嗽 发烧 感冒 牙疼 腰疼 腿疼 嗓子疼",
    "animal": "猫 狗 鸟 金鱼 兔子 蛐蛐儿 鸭子",
    "surname": "王 李 张 刘 赵 黄 马",
    "spot": "左边 右边 前边 后边 对过儿 旁边 东边 南边",
    "chore": "关门 关灯 带钥匙 穿衣裳 吃药 买馃子 交电费 锁门 还钱",
    "show": "相声 快板 京剧 大鼓",
    "joke": "逗你玩 哏儿 有意思 招笑",
    "craft": "泥人 年画 风筝 灯笼",
    "good": "乐呵 痛快 美 带劲",
    "joke_adj": "哏儿 逗 热闹 有意思",
    "spice": "葱 姜 蒜 醋 酱油 白糖 花椒 面酱",
}

SENTENCES = """
{past}{folk}{go}了。
{future}{folk}要{go}。
{future}咱一块儿{go}，行吗您了？
{person}{habit}{act}，倍儿乐呵。
{person}正{act}呢，您了等会儿。
{who}干嘛呢，又{act}呢？
干嘛呢您了，{act}呢？
别{act}了，快来吃饭！
吃完饭，咱{act}去。
{person}就爱{act}。
介是嘛，是{food}吗？
介叫嘛事儿，{person}又{sad}了。
介{food}倍儿{taste}，您了尝尝。
介{food}真{taste}，再来一份。
{call}，来一套煎饼馃子，多放葱花。
{call}，来一份{food}，再来一碗{drink}。
早点吃{food}，晌午吃{food}。
{person}做的{food}倍儿{taste}。
{who}吃嘛，{food}还是{food}？
想吃嘛，{food}行不行？
没有{food}了，吃{food}吧。
天津的{food}倍儿{taste}。
吃{food}，喝{drink}，倍儿{good}。
{call}，{fruit}多少钱一斤？
{fruit}{cheap}一斤，倍儿甜。
{past}我买了{goods}，花了{price}。
{person}给{person}买了{goods}。
介{thing}要{price}，便宜点儿吧。
那{thing}是{color}的，倍儿{look}。
介{thing}忒{bad}了，我不要。
我那{thing}呢，{who}瞅见了吗？
您了瞅瞅，介{thing}多{look}。
{person}把那{thing}丢了，倍儿{sad}。
{call}，{place}怎么走？
{place}就在{place}{spot}。
从介到{place}，走着{some}分钟。
咱{ride}去{place}吧。
{person}天天{ride}上班。
{ride}去{city}得{some}个钟头。
{future}我{ride}去{city}。
火车{clock}到{city}，别晚了。
都{clock}了，{person}还{act}呢。
{clock}咱在{place}门口见。
今天是{date}，礼拜{weekday}。
{person}的生日是{date}。
{date}{person}结婚，您了来啊。
我的电话是一三{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}{digit}。
{person}住{unit}楼{digit}{digit}{digit}。
{person}今年{ten}岁了，身子骨倍儿好。
我们家有{some}口人。
{person}是{job}，在{city}上班。
{person}以前当过{job}。
{person}倍儿{trait}。
{person}介人又{trait}又{trait}。
瞅{person}那样儿，倍儿{feel}。
{person}今天怎么介么{feel}？
别{sad}，慢慢来。
{who}因为嘛{sad}？
{future}要{weather}，记着带伞。
{past}{city}{weather}了。
{city}今天倍儿{sky}。
{city}介天儿，{sky_ask}？
外边{weather}呢，{person}还没回来。
{person}{ill}，得去医院瞧病。
我{ill}，{future}不上班了。
{who}怎么了，是不是{ill}？
{person}养{animal}养了{some}年，倍儿上心。
瞅介{animal}，真招人疼。
您了贵姓，我姓{surname}。
您了是{city}人吗？
对不住您了，我忘了{chore}。
{who}别忘了{chore}。
{future}您了记着{chore}。
没事儿，您了慢慢{act}。
{who}{past}干嘛去了？
介段{show}倍儿{joke_adj}。
{past}听了一段{show}，{joke}。
{person}说{show}，倍儿{joke_adj}。
马三立的逗你玩，真哏儿。
别当真，我逗你玩呢！
您了真哏儿，逗我玩呢？
天津的{craft}倍儿有名。
{person}会做{craft}，手倍儿巧。
您了要{craft}，{price}一个。
{call}，您了吃了吗？
吃了吗您了，{act}去？
姐姐，介{thing}多少钱？
行，听您了的，{future}{go}。
{person}熬鱼，放{spice}和{spice}。
熬鱼得放{spice}，才{taste}。
"""
